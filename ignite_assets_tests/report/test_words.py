"""Numbers and days in words."""

import datetime as dt

import pytest

from ignite_assets.report.words import count, day_ranges, day_words, short_day


def days(*texts: str) -> list[dt.date]:
    return [dt.date.fromisoformat(text) for text in texts]


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([], ""),
        (["2026-11-03"], "3 Nov"),
        (["2026-11-03", "2026-11-04", "2026-11-05"], "3–5 Nov"),
        (["2026-11-03", "2026-11-05"], "3 Nov, 5 Nov"),
        (["2026-10-31", "2026-11-01"], "31 Oct – 1 Nov"),
        (["2026-12-31", "2027-01-01", "2027-01-03"], "31 Dec – 1 Jan, 3 Jan"),
    ],
)
def test_consecutive_days_are_told_together(texts: list[str], told: str) -> None:
    assert day_ranges(days(*texts)) == told


def test_days_and_counts_read_as_people_say_them() -> None:
    day = dt.date(2026, 11, 3)
    assert (day_words(day), short_day(day)) == ("3 November 2026", "3 Nov")
    assert (count(1, "day"), count(0, "day"), count(1200, "day")) == ("1 day", "0 days", "1,200 days")
