"""Visitors: how many each day of the window, their mean, and how recently they were last seen."""

import datetime as dt
from dataclasses import dataclass

from ignite_assets.report.comparing import Compared, rows_compared, week_compared
from ignite_assets.report.readings import DAY, WEEK, Readings
from ignite_assets.tables.windows import days_between

ASSET = "visitors"
RECENCY = "visitor_recency"
FEWEST = 4
"""So many of seven days must be known for a mean."""
_BANDS = ((0, 0), (1, 6), (7, 13), (14, 29), (30, 59))


@dataclass(frozen=True, kw_only=True)
class VisitorDay:
    """One day of the window."""

    date: dt.date
    visitors: int | None
    """Rows of the partition; None when it wasn't captured."""
    days_late: int
    """Captured so long after its own night: it holds those who came since as well."""
    mean: float | None
    """Of this day and the six before, as far as they were captured in their own nights; None of fewer than four."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """People by when they were last seen."""

    label: str
    people: int


@dataclass(frozen=True, kw_only=True)
class Recency:
    """Everyone of the window, by the day they were last seen."""

    people: int
    coverage: float | None
    """Share of the window's days that were captured."""
    bands: tuple[Band, ...]


@dataclass(frozen=True, kw_only=True)
class Visitors:
    """The visitors of a window."""

    days: tuple[VisitorDay, ...]
    recency: Recency | None
    """None when it was never derived."""
    today: Compared
    week: Compared


def read(readings: Readings) -> Visitors:
    """The visitors of a website's window."""
    return Visitors(
        days=tuple(_day(readings, day) for day in readings.window),
        recency=_recency(readings),
        today=rows_compared(readings, ASSET, name="visitors_day", label="Visitors on the day", unit="hashed addresses"),
        week=week_compared(
            readings, ASSET, "hashed_email", name="visitors_week", label="Visitors in 7 days", unit="different ones"
        ),
    )


def _day(readings: Readings, day: dt.date) -> VisitorDay:
    known = [
        readings.row_count(ASSET, each) or 0
        for each in days_between(day - WEEK + DAY, day)
        if readings.has(ASSET, each) and not readings.days_late(ASSET, each)
    ]
    return VisitorDay(
        date=day,
        visitors=readings.row_count(ASSET, day),
        days_late=readings.days_late(ASSET, day),
        mean=sum(known) / len(known) if len(known) >= FEWEST else None,
    )


def _recency(readings: Readings) -> Recency | None:
    if not readings.view("recency", RECENCY, [readings.day]):
        return None
    sql = """
        SELECT date_diff('day', last_seen, getvariable('report_day')) AS ago, count(*) AS people,
            max(coverage) AS coverage
        FROM recency GROUP BY ago
    """
    found = readings.rows(sql, report_day=readings.day)
    bands = (
        Band(label=_label(*band), people=sum(row["people"] for row in found if band[0] <= row["ago"] <= band[1]))
        for band in _BANDS
        if band[0] < readings.window_days
    )
    return Recency(
        people=sum(row["people"] for row in found),
        coverage=max((row["coverage"] for row in found), default=None),
        bands=tuple(bands),
    )


def _label(first: int, last: int) -> str:
    return "on the day" if last == 0 else f"{first} to {last} days before"
