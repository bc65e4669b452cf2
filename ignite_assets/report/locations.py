"""Where the identified locations are, by score and standing: coordinates only to 0.01°, and together.

Names and streets are read for `people` alone, and only when a report is asked to show them.
"""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ignite_assets.report.comparing import Compared, week_compared
from ignite_assets.report.readings import Readings

ASSET = "location_recency"
CELLS = 28
"""So many cells lie side by side in the view of the map."""
FINEST = 0.01
"""Degrees, about a kilometre: coordinates are told no finer."""
_STEPS = (FINEST, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)
_NARROWEST = 0.4
_WIDEST = 120.0
_ROOM = 1.4
_CLOSE = 0.5
_SHAPE = 1.5
"""A view is at least so many times as wide as it is high."""
_MOST_CITIES = 10
_MOST_PEOPLE = 15


@dataclass(frozen=True, kw_only=True)
class View:
    """What the map shows, in degrees."""

    west: float
    south: float
    east: float
    north: float

    def holds(self, latitude: float, longitude: float) -> bool:
        """Whether a place is in it."""
        return self.south <= latitude <= self.north and self.west <= longitude <= self.east


@dataclass(frozen=True, kw_only=True)
class Spot:
    """The locations of one cell."""

    latitude: float
    longitude: float
    locations: int
    new: int
    returning: int
    score: float
    """Their scores added up."""


@dataclass(frozen=True, kw_only=True)
class CityLocations:
    """The locations of a city."""

    city: str
    state: str
    locations: int
    new: int
    score: float | None
    """The mean of those that have one."""
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, kw_only=True)
class Resident:
    """A location in clear: personal data."""

    resident: str
    street: str
    city: str
    state: str
    zip: str
    standing: str
    score: float | None
    sessions: int | None
    last_seen: dt.date


@dataclass(frozen=True, kw_only=True)
class Locations:
    """The locations of a window."""

    total: int
    new: int
    returning: int
    score: float | None
    """The mean of those that have one."""
    coverage: float | None
    unplaced: int
    """Without usable coordinates."""
    outside: int
    """With coordinates out of the view."""
    view: View | None
    """Where nearly all are; None when none has coordinates."""
    spots: tuple[Spot, ...]
    """Of the view, the largest first."""
    cities: tuple[CityLocations, ...]
    people: tuple[Resident, ...]
    """Those of the highest scores; none unless personal details are shown."""


def compared(readings: Readings) -> Compared:
    """The headline: different locations in seven days."""
    return week_compared(
        readings, "locations", "id", name="locations_week", label="Locations in 7 days", unit="different ones"
    )


def read(readings: Readings, *, personal_details: bool = False) -> Locations | None:
    """The locations of the report's window; None when their recency was never derived for its day."""
    if not readings.view("places", ASSET, [readings.day]):
        return None
    readings.workspace.table("placed", _PLACED)
    sums = readings.one(_SUMS)
    view = _view(readings)
    spots = _spots(readings, view) if view else ()
    placed = int(readings.one("SELECT count(*) AS number FROM placed")["number"])
    return Locations(
        **sums,
        unplaced=sums["total"] - placed,
        outside=placed - sum(spot.locations for spot in spots),
        view=view,
        spots=spots,
        cities=_cities(readings),
        people=_people(readings) if personal_details else (),
    )


_PLACED = f"""
    SELECT round(latitude, 2) AS latitude, round(longitude, 2) AS longitude, score, standing
    FROM places WHERE latitude BETWEEN -80 AND 80 AND longitude BETWEEN -180 AND 180
        AND NOT (abs(latitude) < {FINEST} AND abs(longitude) < {FINEST})
"""  # noqa: S608 - a number of our own

_SUMS = """
    SELECT count(*) AS total, count(*) FILTER (standing = 'new') AS new,
        count(*) FILTER (standing = 'returning') AS returning, avg(score) AS score, max(coverage) AS coverage
    FROM places
"""


def _view(readings: Readings) -> View | None:
    """Where all but the outermost hundredths are, with some room around."""
    bounds = readings.one("""
        SELECT quantile_cont(longitude, 0.02) AS west, quantile_cont(latitude, 0.02) AS south,
            quantile_cont(longitude, 0.98) AS east, quantile_cont(latitude, 0.98) AS north FROM placed
    """)
    if bounds["west"] is None:
        return None
    x, y = (bounds["west"] + bounds["east"]) / 2, (bounds["south"] + bounds["north"]) / 2
    height = max((bounds["north"] - bounds["south"]) * _ROOM, _NARROWEST / _SHAPE)
    shape = _SHAPE / math.cos(math.radians(y))  # degrees of longitude are shorter than those of latitude
    width = min(max((bounds["east"] - bounds["west"]) * _ROOM, height * shape, _NARROWEST), _WIDEST)
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


def _spots(readings: Readings, view: View) -> tuple[Spot, ...]:
    sql = """
        SELECT round(avg(latitude), 2) AS latitude, round(avg(longitude), 2) AS longitude, count(*) AS locations,
            count(*) FILTER (standing = 'new') AS new, count(*) FILTER (standing = 'returning') AS returning,
            coalesce(sum(score), 0) AS score
        FROM placed
        WHERE longitude BETWEEN getvariable('west') AND getvariable('east')
            AND latitude BETWEEN getvariable('south') AND getvariable('north')
        GROUP BY round(latitude / getvariable('step')), round(longitude / getvariable('step'))
        ORDER BY score DESC, locations DESC, latitude, longitude
    """
    rows = readings.rows(sql, step=step_of(view), **vars(view))
    return _apart([Spot(**row) for row in rows], step_of(view))


def _apart(spots: Sequence[Spot], step: float) -> tuple[Spot, ...]:
    """The spots with those together that lie closer than a cell's half: a border of cells may run through a city."""
    kept: list[Spot] = []
    for spot in spots:
        near = (n for n, other in enumerate(kept) if _distance(spot, other) < step * _CLOSE)
        place = next(near, None)
        if place is None:
            kept.append(spot)
        else:
            kept[place] = _together(kept[place], spot)
    return tuple(sorted(kept, key=lambda spot: -spot.score))


def _distance(one: Spot, other: Spot) -> float:
    return max(abs(one.latitude - other.latitude), abs(one.longitude - other.longitude))


def _together(one: Spot, other: Spot) -> Spot:
    share = other.locations / (one.locations + other.locations)
    return Spot(
        latitude=round(one.latitude + share * (other.latitude - one.latitude), 2),
        longitude=round(one.longitude + share * (other.longitude - one.longitude), 2),
        locations=one.locations + other.locations,
        new=one.new + other.new,
        returning=one.returning + other.returning,
        score=one.score + other.score,
    )


def _cities(readings: Readings) -> tuple[CityLocations, ...]:
    sql = f"""
        SELECT max(trim(city)) AS city, coalesce(upper(state), '') AS state, count(*) AS locations,
            count(*) FILTER (standing = 'new') AS new, avg(score) AS score,
            round(avg(round(latitude, 2)), 2) AS latitude, round(avg(round(longitude, 2)), 2) AS longitude
        FROM places WHERE trim(city) <> ''
        GROUP BY lower(trim(city)), upper(state)
        ORDER BY locations DESC, city, state LIMIT {_MOST_CITIES}
    """  # noqa: S608 - a number of our own
    return tuple(CityLocations(**row) for row in readings.rows(sql))


def _people(readings: Readings) -> tuple[Resident, ...]:
    """The best-scored locations with what the newest partition that holds each says of it."""
    best = readings.rows(f"""
        SELECT id, coalesce(standing, 'unknown') AS standing, score, sessions, last_seen FROM places
        WHERE score IS NOT NULL ORDER BY score DESC, id LIMIT {_MOST_PEOPLE}
    """)  # noqa: S608 - a number of our own
    found = []
    for row in best:
        if readings.view("homes", "locations", [row["last_seen"]]):
            homes = readings.rows(_HOME, home=row.pop("id"))
            found += [Resident(**home, **row) for home in homes[:1]]
    return tuple(found)


_HOME = """
    SELECT coalesce(resident, '') AS resident, coalesce(street, '') AS street, coalesce(city, '') AS city,
        coalesce(upper(state), '') AS state, coalesce(zip, '') AS zip
    FROM homes WHERE id = getvariable('home')
"""
