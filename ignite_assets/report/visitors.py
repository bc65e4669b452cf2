"""Visitors: people by the day on which they were last seen, and a week of them.

A partition holds everyone last seen on its day or, captured late, since. Everyone counts once, on the newest day that
holds them: that is the same number whether a day was captured in its own night or weeks later.
"""

import datetime as dt
from dataclasses import dataclass

from ignite_assets.report.readings import DAY, WEEK, Query, Readings
from ignite_assets.tables.examination import captured_at

ASSET = "visitors"
_NIGHT = 6
"""Until this hour a capture is of the night: hardly anyone came since."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A day of the chart."""

    date: dt.date
    people: int | None
    """None when it isn't known."""
    row: int
    """Its row of the query, where it has one."""
    gap: str
    """Why it isn't known; empty when it is."""


@dataclass(frozen=True, kw_only=True)
class Visitors:
    """The visitors of a window."""

    days: Query
    """`day`, `people`: a row for each day that is known."""
    weeks: Query | None
    """`this_week`, and `week_before` without those who came back since; None when no day of the two was captured."""
    bars: tuple[Bar, ...]
    until: dt.datetime | None
    """When the last day was captured, if that was later than in its night: people seen until then are in it."""
    trouble: str
    """Why this week isn't whole; empty when it is."""
    before: str
    """Why the week before isn't known; empty when it is."""


def read(readings: Readings) -> Visitors:
    """The visitors of a website's window."""
    day, first = readings.day, readings.window[0]
    days = readings.ask("visitors_by_day", _DAYS, first=first, day=day, known=readings.told(ASSET))
    start = day - WEEK + DAY
    lately = [each for each in readings.captured(ASSET) if start - WEEK <= each <= day]
    trouble = readings.trouble(ASSET, start, day)
    return Visitors(
        days=days,
        weeks=readings.ask("visitors_by_week", _WEEKS, start=start, earliest=start - WEEK, day=day) if lately else None,
        bars=tuple(_bar(readings, each, days) for each in readings.window),
        until=_until(readings),
        trouble=trouble,
        before=trouble or readings.trouble(ASSET, start - WEEK, start - DAY),
    )


def _until(readings: Readings) -> dt.datetime | None:
    footer = readings.footer(ASSET, readings.day)
    taken = captured_at(footer).astimezone(readings.zone) if footer else None
    return taken if taken and taken.hour >= _NIGHT and not readings.days_late(ASSET, readings.day) else None


def _bar(readings: Readings, day: dt.date, days: Query) -> Bar:
    for row, values in enumerate(days.rows):
        if values["day"] == day:
            return Bar(date=day, people=values["people"], row=row, gap="")
    later = readings.has(ASSET, day)
    return Bar(date=day, people=None, row=-1, gap="captured later, with the days after it" if later else "not captured")


_DAYS = """
    SELECT known.day AS day, count(seen.last_day) AS people
    FROM unnest({known}::DATE[]) AS known(day)
    LEFT JOIN (
        SELECT max(date) AS last_day FROM {visitors}
        WHERE date BETWEEN {first} AND {day} GROUP BY hashed_email
    ) AS seen ON seen.last_day = known.day
    GROUP BY known.day ORDER BY known.day
"""

_WEEKS = """
    SELECT count(*) FILTER (last_day >= {start}) AS this_week, count(*) FILTER (last_day < {start}) AS week_before
    FROM (
        SELECT max(date) AS last_day FROM {visitors}
        WHERE date BETWEEN {earliest} AND {day} GROUP BY hashed_email
    )
"""
