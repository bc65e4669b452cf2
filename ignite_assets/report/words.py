"""Numbers and days as a page says them."""

import datetime as dt
from collections.abc import Sequence

from ignite_assets.tables.windows import consecutive


def day_words(day: dt.date) -> str:
    """`19 November 2026`."""
    return f"{day.day} {day:%B %Y}"


def short_day(day: dt.date) -> str:
    """`19 Nov`."""
    return f"{day.day} {day:%b}"


def count(number: int, noun: str) -> str:
    """`1 day`, `2 days`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def day_ranges(days: Sequence[dt.date]) -> str:
    """Days in order, consecutive ones together: `3 Nov, 5–8 Nov, 30 Nov – 2 Dec`."""
    return ", ".join(_stretch(stretch[0], stretch[-1]) for stretch in consecutive(days))


def _stretch(first: dt.date, last: dt.date) -> str:
    if first == last:
        return short_day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{short_day(last)}"
    return f"{short_day(first)} – {short_day(last)}"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""
