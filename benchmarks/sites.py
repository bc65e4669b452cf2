"""The websites that the benchmark's server answers for. Standard library only: peers import it too."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Site:
    """How much one website's answers hold, and how long the platform takes to begin each."""

    visitors: int = 0
    products: int = 0
    locations: int = 0
    audiences: int = 0
    members: int = 0
    """Of each audience, and of each group."""
    groups: int = 0
    sales: int = 0
    latency: float = 0.0
    """Seconds from a request to its answer's first byte."""
    windows: bool = False
    """Older look-back dates answer more: a sixtieth of it all for each day."""


FIRST_ID = 100_000
"""Of locations; six digits, so that every detail has the same length."""
LOOK_BACK_DAYS = 60
NIGHT_WEBSITES = 20

SITES = {
    "warm": Site(visitors=10, products=10, locations=10, audiences=2, members=10, groups=2, sales=2),
    "sales": Site(sales=5),
    "visitors-1m": Site(visitors=1_000_000),
    "visitors-500k": Site(visitors=500_000),
    "visitors-10k": Site(visitors=10_000),
    "products-200k": Site(products=200_000),
    "locations-100k": Site(locations=100_000),
    "details-1k": Site(locations=1_000),
    "details-1k-50ms": Site(locations=1_000, latency=0.05),
    "details-100k": Site(locations=100_000),
    "website-50ms": Site(
        visitors=200_000,
        products=20_000,
        locations=1_000,
        audiences=50,
        members=500,
        groups=10,
        sales=1_000,
        latency=0.05,
    ),
    "backfill": Site(
        visitors=60_000, products=2_000, locations=3_000, audiences=20, members=500, groups=5, windows=True
    ),
    "backfill-50ms": Site(
        visitors=60_000,
        products=2_000,
        locations=3_000,
        audiences=20,
        members=500,
        groups=5,
        windows=True,
        latency=0.05,
    ),
    "backfill-20ms": Site(
        visitors=20_000,
        products=500,
        locations=1_691,
        audiences=20,
        members=200,
        groups=5,
        windows=True,
        latency=0.02,
    ),
    "night-50ms": Site(
        visitors=5_000,
        products=500,
        locations=300,
        audiences=20,
        members=200,
        groups=5,
        sales=100,
        latency=0.05,
    ),
}


def location_ids(site: Site, age: int = LOOK_BACK_DAYS) -> range:
    """The ids that a window of so many days lists."""
    return range(FIRST_ID, FIRST_ID + shown(site, site.locations, age))


def shown(site: Site, count: int, age: int) -> int:
    """How many of so many things a window of so many days shows."""
    return count * min(age, LOOK_BACK_DAYS) // LOOK_BACK_DAYS if site.windows else count
