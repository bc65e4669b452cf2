"""The households that know a website: who they are, where they live, what they like, how often they come.

All of it follows from the website alone; days and moments belong to `visits`. A household's row is its place in
every array, its id the row plus `first_id`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ignite_assets.sandbox.catalogue import Audience, audiences_of
from ignite_assets.sandbox.draws import Draw, key_of, picks, words
from ignite_assets.sandbox.places import CITIES, DOMAINS, FIRST_NAMES, LAST_NAMES, STREETS
from ignite_assets.sandbox.websites import SandboxWebsite

CYCLE_DAYS = 120
"""How often a household's time of interest comes round; also how far back the platform remembers visits."""
MOST_EMAILS = 3
HOME_CITIES = 4

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

_EMAIL_COUNTS = np.repeat(np.arange(4, dtype=np.uint8), (15, 50, 25, 10))
_INTEREST_COUNTS = np.repeat(np.arange(1, 4, dtype=np.uint8), (55, 30, 15))
# Out of a hundred households: regulars all year, shoppers for three to ten weeks, and those who come once.
_SPANS = np.concatenate([np.full(15, CYCLE_DAYS), np.linspace(20, 70, 55), np.ones(30)]).astype(np.int32)
_ODDS = np.concatenate([np.linspace(0.2, 0.5, 15), np.linspace(0.08, 0.3, 55), np.ones(30)]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Households:
    """Every household of one website, an array an attribute."""

    website: SandboxWebsite
    first_id: int
    rows: Rows
    email_counts: npt.NDArray[np.uint8]
    spans: npt.NDArray[np.int32]
    """Days of interest in each cycle; 1: comes once."""
    phases: npt.NDArray[np.int32]
    odds: npt.NDArray[np.float32]
    """Chance of a visit on an average day of interest."""
    interests: npt.NDArray[np.int8]
    """Places among the website's audiences, three a household; -1: none."""

    def row(self, household_id: int) -> int | None:
        """The row of a household's id; None when there is no such household."""
        row = household_id - self.first_id
        return row if 0 <= row < len(self.rows) else None

    def interested(self, places: Sequence[int]) -> Mask:
        """Who likes any of the audiences at those places."""
        liked = np.zeros(len(self.rows), dtype=np.bool_)
        for place in places:
            liked |= (self.interests == place).any(axis=1)
        return liked


def households_of(website: SandboxWebsite) -> Households:
    """The households of a website, drawn from its seed and key."""
    rows = np.arange(website.households, dtype=np.int64)
    habits = words(_key(website, "habits"), rows)
    return Households(
        website=website,
        first_id=10_000 + Draw(website.seed, website.key).below("first id", 80_000),
        rows=rows,
        email_counts=picks(words(_key(website, "email counts"), rows), _EMAIL_COUNTS),
        spans=picks(habits, _SPANS),
        phases=(words(_key(website, "phases"), rows) % np.uint64(CYCLE_DAYS)).astype(np.int32),
        odds=picks(habits, _ODDS),
        interests=_interests(website, rows, audiences_of(website)),
    )


def _key(website: SandboxWebsite, purpose: str) -> int:
    return key_of(website.seed, website.key, purpose)


def _interests(website: SandboxWebsite, rows: Rows, audiences: Sequence[Audience]) -> npt.NDArray[np.int8]:
    """Three interests a household; the popularity of an audience falls with its place."""
    weights = [240 // (place + 1) for place in range(len(audiences))]
    table = np.repeat(np.arange(len(audiences), dtype=np.int8), weights)
    counts = picks(words(_key(website, "interest counts"), rows), _INTEREST_COUNTS)
    columns = [picks(words(_key(website, f"interest {slot}"), rows), table) for slot in range(3)]
    drawn = np.stack(columns, axis=1)
    drawn[np.arange(3) >= counts[:, None]] = -1
    return drawn


def addresses(households: Households, rows: Rows, slots: Rows) -> Iterator[str]:
    """The e-mail address of each (row, slot), as its owner writes it; slot 0 is the resident's."""
    firsts, lasts = _first_names(households.website, rows, slots), _last_names(households.website, rows)
    domains = picks(words(_key(households.website, "domains"), rows * MOST_EMAILS + slots), np.arange(len(DOMAINS)))
    columns = (firsts, lasts, rows + households.first_id, slots, domains)
    for first, last, number, slot, domain in zip(*(column.tolist() for column in columns), strict=True):
        # The slot keeps two people of a household apart when they share a first name.
        yield f"{FIRST_NAMES[first]}.{LAST_NAMES[last]}.{number}{'abc'[slot]}@{DOMAINS[domain]}"


def _first_names(website: SandboxWebsite, rows: Rows, slots: Rows) -> Rows:
    return picks(words(_key(website, "first names"), rows * MOST_EMAILS + slots), np.arange(len(FIRST_NAMES)))


def _last_names(website: SandboxWebsite, rows: Rows) -> Rows:
    return picks(words(_key(website, "last names"), rows), np.arange(len(LAST_NAMES)))


def locations(households: Households, rows: Rows) -> Iterator[dict[str, object]]:
    """The location of each row, in the documented shape and with the platform's oddities."""
    site = households.website
    homes = _home_cities(site)
    places = words(_key(site, "places"), rows)
    columns = (
        rows + households.first_id,
        places % np.uint64(len(homes)),
        (places >> np.uint64(8)) % np.uint64(len(STREETS)),
        1 + (places >> np.uint64(16)) % np.uint64(9899),
        (places >> np.uint64(32)) % np.uint64(40_000),
        (places >> np.uint64(48)) % np.uint64(40_000),
        _first_names(site, rows, np.zeros_like(rows)),
        _last_names(site, rows),
    )
    for values in zip(*(column.tolist() for column in columns), strict=True):
        yield _location(homes, *values)


def _location(
    homes: Sequence[int], number: int, home: int, street: int, house: int, north: int, east: int, first: int, last: int
) -> dict[str, object]:
    city = CITIES[homes[home]]
    location: dict[str, object] = {
        "id": number,
        "latitude": round(city.latitude + (north - 20_000) / 1e6, 6),
        "longitude": round(city.longitude + (east - 20_000) / 1e6, 6),
        "street": f"{house} {STREETS[street]}",
        "city": city.name,
        "state": city.state,
        "zip": city.zip,
        "resident": f"{FIRST_NAMES[first]} {LAST_NAMES[last]}".upper(),
    }
    if north % 47 == 0:
        del location["resident"]
    if north % 31 == 0:
        location["carrier_route"] = f"C{north % 90:03d}"
    return location


def _home_cities(website: SandboxWebsite) -> list[int]:
    start = Draw(website.seed, website.key).below("home cities", len(CITIES))
    return [(start + place) % len(CITIES) for place in range(HOME_CITIES)]
