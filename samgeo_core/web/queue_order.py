"""Who is next, and about when: visitors take turns, and each one's runs go in order of arrival."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Waiting:
    """A run in line.

    Attributes:
        run_id: of the run.
        owner: whose it is.
        arrived: counts arrivals.
        since_round: the round that was going on when it arrived.
        is_first: it had begun before the server was restarted, and goes before all others.
    """

    run_id: str
    owner: str
    arrived: int
    since_round: int
    is_first: bool = False


def fair_order(
    waiting: Iterable[Waiting], last_rounds: Mapping[str, int]
) -> list[tuple[Waiting, int]]:
    """Everything in line with the round in which its turn comes, the next to start first.

    In a round each visitor has one turn. Who comes later joins the round after the one that is
    going on, there before those who have just had a turn: however many come, nobody waits longer
    than one turn of each who came before that round began.

    Args:
        waiting: all in line.
        last_rounds: in which round an owner had a turn last.
    """
    rounds = dict(last_rounds)
    placed = []
    for item in sorted(waiting, key=lambda item: item.arrived):
        last = rounds.get(item.owner, 0)
        turn = max(last, item.since_round)
        if not item.is_first:
            turn += 1
            rounds[item.owner] = turn
        placed.append(((not item.is_first, turn, last, item.arrived), item))
    return [(item, key[1]) for key, item in sorted(placed, key=lambda pair: pair[0])]


def starts_in_s(left_s: Sequence[float], expected_s: Iterable[float], workers: int) -> list[float]:
    """Seconds until each of those in line begins, when whoever is free takes the next.

    Args:
        left_s: what is left of the runs under way.
        expected_s: how long those in line take, in their order.
        workers: how many run at a time.
    """
    free = [*left_s, *[0.0] * max(0, workers - len(left_s))]
    heapq.heapify(free)
    begins = []
    for seconds in expected_s:
        begins.append(heapq.heappop(free))
        heapq.heappush(free, begins[-1] + seconds)
    return begins
