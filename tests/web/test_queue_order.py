from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.web.queue_book import RunBook
from samgeo_core.web.queue_database import Database
from samgeo_core.web.queue_order import Waiting, fair_order, starts_in_s


def _order(owners: str, last_rounds: dict[str, int] | None = None) -> str:
    waiting = [Waiting(f"{i}", owner, i, 0) for i, owner in enumerate(owners)]
    return "".join(item.owner for item, _ in fair_order(waiting, last_rounds or {}))


def test_everybody_has_a_turn_before_anybody_has_a_second() -> None:
    assert _order("aaabbc") == "abcaba"
    assert _order("aaabbc", {"a": 1}) == "bcabaa"
    assert _order("a") == "a"
    assert _order("") == ""


def test_what_had_begun_goes_first() -> None:
    waiting = [Waiting("new", "a", 1, 0), Waiting("begun", "b", 2, 0, is_first=True)]
    assert [item.run_id for item, _ in fair_order(waiting, {"b": 5})] == ["begun", "new"]


@given(st.lists(st.sampled_from("abcd"), max_size=30))
def test_one_visitors_runs_keep_their_order_and_turns_are_even(owners: list[str]) -> None:
    waiting = [Waiting(f"{i}", owner, i, 0) for i, owner in enumerate(owners)]
    order = [item for item, _ in fair_order(waiting, {})]
    assert sorted(order, key=lambda item: item.arrived) == waiting
    for owner in set(owners):
        mine = [item.arrived for item in order if item.owner == owner]
        assert mine == sorted(mine)
    had: dict[str, int] = {}
    for item in order:
        had[item.owner] = had.get(item.owner, 0) + 1
        # Nobody who still waits has had two turns less.
        still = {other.owner for other in order[order.index(item) + 1 :]}
        assert all(had[item.owner] - had.get(other, 0) <= 1 for other in still)


def test_a_stream_of_newcomers_keeps_nobody_waiting() -> None:
    book = RunBook(Database())
    for i in range(3):
        book.accept(f"patient {i}", "patient", "k")
    begun = []
    for i in range(8):
        for j in range(2):
            book.accept(f"new {i} {j}", f"new {i} {j}", "k")
        for _ in range(2):
            taken = book.take()
            assert taken is not None
            begun.append(taken.run_id)
    turns = [begun.index(f"patient {i}") for i in range(3)]
    assert turns == sorted(turns)


def test_who_cancels_does_not_pay_for_it() -> None:
    book = RunBook(Database())
    for i in range(5):
        book.accept(f"a{i}", "a", "k")
    book.accept("b0", "b", "k")
    book.accept("b1", "b", "k")
    for i in range(4):
        book.cancel(f"a{i}")
    assert [entry.run_id for entry in book.line()] == ["a4", "b0", "b1"]


def test_whoever_is_free_takes_the_next() -> None:
    assert starts_in_s([], [5, 1, 1], 1) == [0, 5, 6]
    assert starts_in_s([10, 2], [5, 1, 1], 2) == [2, 7, 8]
    assert starts_in_s([10], [5, 1, 1], 2) == [0, 5, 6]
    assert starts_in_s([3], [], 1) == []
