"""Audiences by name: how many people, and whether interest grew or shrank in a week.

Interest is the people who are new to the website: those of households whose first visit lies in a week. The platform
says when that was, so two weeks compare whether their days were captured in their own nights or later.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ignite_assets.report.locations import weeks_of
from ignite_assets.report.readings import DAY, WEEK, Query, Readings

ASSET = "audience_members"
_NAMES = "audiences"
NOT_LISTED = "No longer listed"
_SHOUTED = re.compile(r"\b(?=[A-Z]*[AEIOUY])[A-Z]{3,}")
"""A word in capitals that is no abbreviation."""


@dataclass(frozen=True, kw_only=True)
class Audiences:
    """All audiences of a website that have members in the window."""

    sizes: Query
    """`audience_id`, `people`, `this_week`, and, new to the website, `new_this_week`, `new_before` and their difference
    `change`: the largest audience first."""
    names: Mapping[int, str]
    """What people call each audience."""
    trouble: str
    """Why the two weeks can't be compared; empty when they can."""

    @property
    def moved(self) -> list[int]:
        """The rows whose interest changed, what grew most first and what shrank most last."""
        rows = [n for n, row in enumerate(self.sizes.rows) if row["change"]]
        return sorted(rows, key=lambda n: -self.sizes.rows[n]["change"])


def read(readings: Readings, names: Mapping[int, str]) -> Audiences | None:
    """The audiences of the window; None when their members were captured on no day of it."""
    if not readings.newest(ASSET):
        return None
    first, day = readings.window[0], readings.day
    sizes = readings.ask("audiences", _SIZES, first=first, day=day, **weeks_of(readings))
    known = {row["audience_id"]: names.get(row["audience_id"], NOT_LISTED) for row in sizes.rows}
    start = day - 2 * WEEK + DAY
    trouble = readings.trouble(ASSET, start, day) or readings.trouble("location_details", start, day)
    return Audiences(sizes=sizes, names=known, trouble=trouble)


_SIZES = """
    WITH seen AS (
        SELECT audience_id, hashed_email, max(date) AS last_day FROM {audience_members}
        WHERE date BETWEEN {earliest} AND {day} GROUP BY audience_id, hashed_email
    ), visits AS (
        SELECT hashed_email, min(visit_first) AS first_visit
        FROM (SELECT unnest(hashed_emails) AS hashed_email, visit_first, date FROM {location_details})
        WHERE date BETWEEN {earliest} AND {day} GROUP BY hashed_email
    ), counts AS (
        SELECT audience_id, count(*) FILTER (last_day >= {first}) AS people,
            count(*) FILTER (last_day >= {this_week}) AS this_week,
            count(*) FILTER (first_visit >= {this_week_opens} AND first_visit < {this_week_closes}) AS new_this_week,
            count(*) FILTER (first_visit >= {week_before_opens} AND first_visit < {this_week_opens}) AS new_before
        FROM seen LEFT JOIN visits USING (hashed_email) GROUP BY audience_id
    )
    SELECT *, new_this_week - new_before AS change FROM counts ORDER BY people DESC, audience_id
"""


def names_of(readings: Readings) -> dict[int, str]:
    """The names of the audiences that the platform listed last, up to the report's day, by id."""
    listed = [day for day in readings.captured(_NAMES) if readings.day - readings.look_back <= day <= readings.day]
    if not listed:
        return {}
    return audience_names({row["id"]: row for row in readings.ask("names", _LISTED, listed=listed[-1]).rows})


_LISTED = "SELECT id, primary_category, brand, model FROM {audiences} WHERE date = {listed} ORDER BY id"


def audience_names(rows: Mapping[int, Mapping[str, Any]]) -> dict[int, str]:
    """The names of audiences by id, from category, brand and model; numbered where two are alike."""
    plain = {audience: _name(row) for audience, row in sorted(rows.items())}
    often, met = Counter(plain.values()), Counter[str]()
    found = {}
    for audience, name in plain.items():
        met[name] += 1
        found[audience] = f"{name} ({met[name]})" if often[name] > 1 else name
    return found


def _name(row: Mapping[str, Any]) -> str:
    category, brand, model = (" ".join((row[part] or "").split()) for part in ("primary_category", "brand", "model"))
    model = _SHOUTED.sub(lambda word: word[0].title(), model)
    return " ".join(filter(None, (category.capitalize(), brand, model))) or "All others"
