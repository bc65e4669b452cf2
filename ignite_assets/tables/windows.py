"""Trailing windows: which days one has, and which of these have been captured. Imports no Dagster."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass


def days_between(first: dt.date, last: dt.date) -> list[dt.date]:
    """Every day from one to another, both included."""
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]


def consecutive(days: Sequence[dt.date]) -> list[tuple[dt.date, ...]]:
    """The days in order, cut where one is missing."""
    stretches: list[list[dt.date]] = []
    for day in sorted(days):
        if stretches and day - stretches[-1][-1] == dt.timedelta(days=1):
            stretches[-1].append(day)
        else:
            stretches.append([day])
    return [tuple(stretch) for stretch in stretches]


def day_ranges(days: Sequence[dt.date]) -> str:
    """The days in words: `2026-11-01 to 2026-11-03, 2026-11-07`."""
    return ", ".join(" to ".join(dict.fromkeys(map(str, (each[0], each[-1])))) for each in consecutive(days))


@dataclass(frozen=True, kw_only=True)
class Window:
    """The days of a trailing window, and which of them have a partition."""

    first: dt.date
    last: dt.date
    captured: tuple[dt.date, ...]
    missing: tuple[dt.date, ...]

    @property
    def days(self) -> int:
        """How long it is."""
        return (self.last - self.first).days + 1

    @property
    def coverage(self) -> float:
        """Captured days ÷ days: 1 when nothing is missing."""
        return len(self.captured) / self.days


def trailing(captured: Collection[dt.date], last: dt.date, days: int, first_day: dt.date | None = None) -> Window:
    """The window of so many days that ends with `last`; no day before the first that has partitions, but for `last`."""
    wanted = days_between(last - dt.timedelta(days=days - 1), last)
    wanted = [day for day in wanted if first_day is None or day >= first_day] or [last]
    return Window(
        first=wanted[0],
        last=last,
        captured=tuple(day for day in wanted if day in captured),
        missing=tuple(day for day in wanted if day not in captured),
    )
