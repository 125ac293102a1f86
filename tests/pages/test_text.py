from __future__ import annotations

import pytest

from pages.ui import text


@pytest.mark.parametrize(
    ("metres", "expected"),
    [
        (0.075, "7.5 cm"),
        (0.25, "25 cm"),
        (1, "1 m"),
        (30, "30 m"),
        (999, "999 m"),
        (2512, "2.51 km"),
    ],
)
def test_length(metres: float, expected: str) -> None:
    assert text.length_m(metres) == expected


@pytest.mark.parametrize(
    ("area", "expected"),
    [(0.5, "0.5 m²"), (123.4, "123 m²"), (9999, "9,999 m²"), (25_000, "2.5 ha"), (3e6, "3 km²")],
)
def test_area(area: float, expected: str) -> None:
    assert text.area_m2(area) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.4, "under a second"), (12.3, "12 s"), (59, "59 s"), (150, "2 min"), (7200, "2.0 h")],
)
def test_duration(seconds: float, expected: str) -> None:
    assert text.duration_s(seconds) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.00004, "under 0.1 %"),
        (0.99996, "over 99.9 %"),
        (0.034, "3.4 %"),
        (0.5, "50 %"),
    ],
)
def test_percent_never_rounds_to_nothing_or_all(share: float, expected: str) -> None:
    assert text.percent(share) == expected


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 objects"), (1, "1 object"), (1204, "1,204 objects")]
)
def test_count(number: int, expected: str) -> None:
    assert text.count(number, "object") == expected


@pytest.mark.parametrize(
    ("number", "expected"), [(12, "12 bytes"), (40_728_226, "40.7 MB"), (2.5e9, "2.5 GB")]
)
def test_size(number: int, expected: str) -> None:
    assert text.size_bytes(int(number)) == expected


def test_foreign_text_stays_text() -> None:
    assert text.markup('<img src=x onerror="1">') == "&lt;img src=x onerror=&quot;1&quot;&gt;"
    assert text.plain("![a](http://x) **b** :red[c]") == (
        r"\!\[a\]\(http\://x\) \*\*b\*\* \:red\[c\]"
    )
