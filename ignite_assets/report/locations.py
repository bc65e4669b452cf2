"""Households: how many, new and returning, and where they live; coordinates are rounded to 0.01° and grouped.

Names and streets are read for `people` alone, and only when a report is asked to show them.
"""

import datetime as dt
import math
from dataclasses import dataclass, replace

from ignite_assets.report.readings import DAY, WEEK, Query, Readings

ASSET = "locations"
DETAILS = "location_details"
CELLS = 28
"""So many cells lie side by side in the view of the map."""
FINEST = 0.01
"""Degrees, about a kilometre: coordinates are told no finer."""
_STEPS = (FINEST, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)
_NARROWEST = 0.4
_WIDEST = 120.0
_ROOM = 1.4
_SHAPE = 1.5
"""A view is at least so many times as wide as it is high."""
_PLACED = "abs(latitude) <= 80 AND abs(longitude) <= 180 AND (latitude, longitude) <> (0, 0)"


@dataclass(frozen=True, kw_only=True)
class View:
    """What the map shows, in degrees."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True, kw_only=True)
class HouseholdFigures:
    """The households of a window, each as its newest partition has it."""

    weeks: Query
    """`households` of the window, `this_week`, and of them `returning`; `new_this_week` and `new_before` by their
    first visit, and `change`."""
    trouble: str
    """Why this week isn't whole; empty when it is."""
    before: str
    """Why new households of two weeks can't be compared; empty when they can."""
    bounds: Query
    """Where nearly all are."""
    spots: Query | None
    """By cell of the map: `latitude`, `longitude`, `households`, `new_households`; the largest first."""
    cities: Query
    """`city`, `state`, `households`, `new_households`, `latitude`, `longitude`: the ten largest."""
    people: Query | None
    """Those with the highest scores, in clear: personal data. None unless it is asked for."""

    @property
    def view(self) -> View | None:
        """What the map shows; None when no household has coordinates."""
        return _view(**self.bounds.first) if self.bounds.first["west"] is not None else None


def read(readings: Readings, *, personal_details: bool = False) -> HouseholdFigures | None:
    """The households of the report's window; None when none of it was captured."""
    if not readings.newest(ASSET):
        return None
    weeks = weeks_of(readings)
    values: dict[str, object] = {"first": readings.window[0], "day": readings.day, "placed": _PLACED, **weeks}
    bounds = readings.ask("map", _HOMES + _BOUNDS, **values)
    start = readings.day - WEEK + DAY
    late = readings.trouble(ASSET, start, readings.day)
    found = HouseholdFigures(
        weeks=readings.ask("households", _HOMES + _WEEKS, **values),
        trouble=late,
        before=readings.trouble(ASSET, start - WEEK, readings.day)
        or readings.trouble(DETAILS, start - WEEK, readings.day),
        bounds=bounds,
        spots=None,
        cities=readings.ask("cities", _HOMES + _CITIES, **values, mean=_MEAN),
        people=readings.ask("people", _PEOPLE, **values) if personal_details else None,
    )
    if not found.view:
        return found
    spots = readings.ask("spots", _HOMES + _SPOTS, **values, **vars(found.view), step=step_of(found.view))
    return replace(found, spots=spots)


def weeks_of(readings: Readings) -> dict[str, dt.date | dt.datetime]:
    """The first day of this week and the moments at which it and the week before it begin and end."""
    start = readings.day - WEEK + DAY

    def midnight(day: dt.date) -> dt.datetime:
        return dt.datetime.combine(day, dt.time(), readings.zone)

    return {
        "earliest": min(readings.window[0], start - WEEK),
        "this_week": start,
        "week_before_opens": midnight(start - WEEK),
        "this_week_opens": midnight(start),
        "this_week_closes": midnight(readings.day + DAY),
        "window_opens": midnight(readings.window[0]),
    }


_HOMES = """
    WITH homes AS (
        SELECT id, max(date) AS last_day, max({{
            'date': date, 'latitude': latitude, 'longitude': longitude, 'city': city, 'state': state
        }}) AS newest
        FROM {locations} WHERE date BETWEEN {earliest} AND {day} GROUP BY id
    ), visits AS (
        SELECT id, min(visit_first) AS first_visit FROM {location_details}
        WHERE date BETWEEN {earliest} AND {day} GROUP BY id
    ), households AS (
        SELECT id, last_day, first_visit, trim(newest.city) AS city, coalesce(upper(newest.state), '') AS state,
            round(newest.latitude, 2) AS latitude, round(newest.longitude, 2) AS longitude,
            last_day >= {first} AS here,
            first_visit >= {window_opens} AND first_visit < {this_week_closes} AS is_new
        FROM homes LEFT JOIN visits USING (id)
    )
"""

_WEEKS = """
    SELECT count(*) FILTER (here) AS households, count(*) FILTER (here AND is_new) AS new_households,
        count(*) FILTER (last_day >= {this_week}) AS this_week,
        count(*) FILTER (last_day >= {this_week} AND first_visit < {this_week_opens}) AS returning,
        count(*) FILTER (first_visit >= {this_week_opens} AND first_visit < {this_week_closes}) AS new_this_week,
        count(*) FILTER (first_visit >= {week_before_opens} AND first_visit < {this_week_opens}) AS new_before,
        new_this_week - new_before AS change
    FROM households
"""

_MEAN = ", ".join(f"round(avg(TRY_CAST({each} AS DECIMAL(9, 2))), 2) AS {each}" for each in ("latitude", "longitude"))
"""The middle of some households; decimals add up to the same in any order."""

_BOUNDS = """
    SELECT quantile_cont(longitude, 0.02) AS west, quantile_cont(latitude, 0.02) AS south,
        quantile_cont(longitude, 0.98) AS east, quantile_cont(latitude, 0.98) AS north
    FROM households WHERE here AND {placed}
"""

# A town on the border of cells is in more than one: each cell goes to the largest whose middle is about as near as its
# own, so that no circle lies on another.
_SPOTS = """
    , cells AS (
        SELECT row_number() OVER (ORDER BY count(*) DESC, min(id)) AS cell, count(*) AS households,
            count(*) FILTER (is_new) AS new_households,
            sum(TRY_CAST(latitude AS DECIMAL(9, 2))) AS latitudes, latitudes / count(*) AS y,
            sum(TRY_CAST(longitude AS DECIMAL(9, 2))) AS longitudes, longitudes / count(*) AS x
        FROM households
        WHERE here AND {placed} AND longitude BETWEEN {west} AND {east} AND latitude BETWEEN {south} AND {north}
        GROUP BY round(latitude / {step}), round(longitude / {step})
    ), near AS (
        SELECT mine.cell, min(other.cell) AS largest
        FROM cells AS mine
        JOIN cells AS other ON abs(mine.x - other.x) < 0.75 * {step} AND abs(mine.y - other.y) < 0.75 * {step}
        GROUP BY mine.cell
    )
    SELECT round(sum(latitudes) / sum(households), 2) AS latitude,
        round(sum(longitudes) / sum(households), 2) AS longitude,
        sum(households)::BIGINT AS households, sum(new_households)::BIGINT AS new_households
    FROM cells JOIN near USING (cell) GROUP BY largest
    ORDER BY households DESC, latitude, longitude LIMIT 200
"""

_CITIES = """
    SELECT max(city) AS city, state, count(*) AS households, count(*) FILTER (is_new) AS new_households,
        {mean}
    FROM households WHERE here AND city <> ''
    GROUP BY lower(city), state ORDER BY households DESC, city, state LIMIT 10
"""

_PEOPLE = """
    SELECT resident, street, city, state, zip, score, sessions, last_day
    FROM (
        SELECT id, max(date) AS last_day, arg_max(traffic_score, date) AS score,
            arg_max(session_count, date) AS sessions, arg_max(resident, date) AS resident,
            arg_max(street, date) AS street, arg_max(city, date) AS city, arg_max(upper(state), date) AS state,
            arg_max(zip, date) AS zip
        FROM {location_details} WHERE date BETWEEN {first} AND {day} GROUP BY id
    )
    WHERE score IS NOT NULL ORDER BY score DESC, id LIMIT 15
"""


def _view(west: float, south: float, east: float, north: float) -> View:
    """Where all but the outermost hundredths are, with some room around."""
    x, y = (west + east) / 2, (south + north) / 2
    height = max((north - south) * _ROOM, _NARROWEST / _SHAPE)
    shape = _SHAPE / math.cos(math.radians(y))  # degrees of longitude are shorter than those of latitude
    width = min(max((east - west) * _ROOM, height * shape, _NARROWEST), _WIDEST)
    return View(
        west=round(x - width / 2, 2),
        south=round(max(y - height / 2, -80), 2),
        east=round(x + width / 2, 2),
        north=round(min(y + height / 2, 80), 2),
    )


def step_of(view: View) -> float:
    """The size of a cell, in degrees: none finer than `FINEST`."""
    wanted = max(view.east - view.west, view.north - view.south) / CELLS
    return next((step for step in _STEPS if step >= wanted), float(math.ceil(wanted)))
