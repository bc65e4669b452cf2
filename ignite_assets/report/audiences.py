"""Audiences that grew and shrank: who joined and left them in the week, by `audience_trends`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ignite_assets.report.comparing import Compared
from ignite_assets.report.readings import DAY, WEEK, Readings
from ignite_assets.tables.windows import days_between

ASSET = "audience_trends"


@dataclass(frozen=True, kw_only=True)
class Trend:
    """One audience."""

    audience: int
    label: str
    """Unlike any other audience's."""
    size: int
    """People in it on the report's day, over the window."""
    joined: int
    left: int
    """In the days that can be told."""


@dataclass(frozen=True, kw_only=True)
class Audiences:
    """All audiences of a website, those that moved most first."""

    days: int
    """Of the seven up to the report's, those of which it is known who joined and left."""
    trends: tuple[Trend, ...]
    memberships: Compared


def read(readings: Readings) -> Audiences | None:
    """The audiences on the report's day; None when their trends were never derived for it."""
    if not readings.view("current", ASSET, [readings.day]):
        return None
    readings.view("lately", ASSET, days_between(readings.day - WEEK + DAY, readings.day))
    rows = readings.rows(_TRENDS)
    labels = _labels(rows)
    trends = tuple(
        Trend(
            audience=row["audience_id"],
            label=labels[row["audience_id"]],
            size=row["size"] or 0,
            joined=row["joined"],
            left=row["leaving"],
        )
        for row in rows
    )
    return Audiences(days=_days(readings), trends=trends, memberships=_memberships(readings, trends))


_TRENDS = """
    WITH moved AS (
        SELECT audience_id, coalesce(sum(joined), 0)::BIGINT AS joined, coalesce(sum("left"), 0)::BIGINT AS leaving
        FROM lately GROUP BY audience_id
    )
    SELECT audience_id, primary_category, brand, model, size, moved.joined, moved.leaving
    FROM current JOIN moved USING (audience_id)
    ORDER BY moved.joined + moved.leaving DESC, size DESC, audience_id
"""


def _days(readings: Readings) -> int:
    sql = "SELECT count(joined) AS known FROM one_day"
    known = 0
    for day in days_between(readings.day - WEEK + DAY, readings.day):
        if readings.view("one_day", ASSET, [day]):
            known += readings.one(sql)["known"] > 0
    return known


def _memberships(readings: Readings, trends: tuple[Trend, ...]) -> Compared:
    before, why = None, "No comparison with the week before: that day's trends were not derived."
    if readings.view("week_before", ASSET, [readings.day - WEEK]):
        before = int(readings.one("SELECT coalesce(sum(size), 0)::BIGINT AS size FROM week_before")["size"])
        why = ""
    return Compared(
        name="memberships",
        label="Audience memberships",
        value=sum(trend.size for trend in trends),
        before=before,
        note=why,
        unit=f"in {len(trends)} audiences over {readings.window_days} days",
    )


def _labels(rows: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """What each audience is called, by its id: with the id where another is called the same."""
    parts = ("primary_category", "brand", "model")
    plain = {row["audience_id"]: " ".join(" ".join(row[part] or "" for part in parts).split()) for row in rows}
    often = Counter(plain.values())
    return {
        audience: label if label and often[label] == 1 else f"{label or 'audience'} #{audience}"
        for audience, label in plain.items()
    }
