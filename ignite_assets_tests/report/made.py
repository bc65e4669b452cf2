"""Lakes for reports: partitions written as captures are, footers included, and what is derived from them."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ignite_assets.api.errors import FailureRecord
from ignite_assets.audiences import ledger
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.config import Settings
from ignite_assets.report.figures import Figures, ReportOptions, gather
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.derivation import Derivations
from ignite_assets.tables.made import MadePartition
from ignite_assets.tables.registry import DERIVED
from ignite_assets_tests.audiences import captures
from ignite_assets_tests.audiences.captures import DAY, NOW, WEBSITE, ago, hashed, somebody

Row = Mapping[str, Any]
WINDOW_DAYS = 10
FIRST_DAY = ago(40)
HOSTILE = '<script>alert("x")</script>&{{ 7 * 7 }}</svg>'
CITIES = (("Austin", "tx", 30.2711, -97.7437), ("Dallas", "tx", 32.7876, -96.7994), ("Tampa", "fl", 27.951, -82.4572))


def capture(
    lake: Lake,
    asset: str,
    day: dt.date,
    rows: Iterable[Row],
    *,
    late: int = 0,
    coercions: Mapping[str, int] | None = None,
) -> None:
    """Commit a partition of these rows, captured so many days after its own night."""
    at = dt.datetime.combine(day + dt.timedelta(days=1 + late), dt.time(0, 30), dt.UTC)
    captures.capture(lake, asset, day, rows, at=at, coercions=json.dumps(coercions or {}), vanished="0", algo="sha2")


def visitors(lake: Lake, day: dt.date, people: Iterable[int], *, late: int = 0) -> None:
    capture(lake, "visitors", day, ({"hashed_email": hashed(n), "algo": "sha2"} for n in people), late=late)


def members(lake: Lake, day: dt.date, people: Mapping[int, Iterable[int]], *, late: int = 0) -> None:
    rows = (
        {"audience_id": audience, "hashed_email": hashed(number), "algo": "sha2"}
        for audience, numbers in people.items()
        for number in numbers
    )
    capture(lake, "audience_members", day, rows, late=late)


def audiences(lake: Lake, day: dt.date, labels: Mapping[int, tuple[str | None, str | None, str | None]]) -> None:
    rows = (
        {"id": audience, "primary_category": category, "brand": brand, "model": model, "visitors_count": 3}
        for audience, (category, brand, model) in labels.items()
    )
    capture(lake, "audiences", day, rows)


def location(number: int) -> dict[str, Any]:
    """A location: its place, street and resident follow from its number."""
    city, state, latitude, longitude = CITIES[number % 3]
    return {
        "id": number,
        "latitude": latitude + number * 0.001237,
        "longitude": longitude - number * 0.001911,
        "street": f"{1000 + number} Chestnut Street",
        "city": city,
        "state": state,
        "zip": f"{10000 + number}",
        "resident": f"RESIDENT NUMBER {number}",
    }


def details(number: int, *, score: float | None, first: dt.date | None) -> dict[str, Any]:
    visit = None if first is None else dt.datetime.combine(first, dt.time(12), dt.UTC)
    summary = {"visit_first": visit, "traffic_score": score, "traffic_score_stars": 3.5, "session_count": number + 1}
    return location(number) | summary | {"hashed_emails": [hashed(number)], "algo": "sha2"}


def locations(lake: Lake, day: dt.date, numbers: Iterable[int]) -> None:
    """The locations of a day with their details: those of even numbers are new, those of odd ones are returning."""
    there = list(numbers)
    capture(lake, "locations", day, map(location, there))
    firsts = {0: ago(1), 1: ago(60)}
    capture(lake, "location_details", day, (details(n, score=10.0 * n, first=firsts[n % 2]) for n in there))


def product(age: float, *, make: str | None = "Ford", condition: str | None = "NEW", day: dt.date = DAY) -> Row:
    """A product that had been listed for so many days when its day was captured in its own night."""
    at = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(0, 30), dt.UTC)
    created = None if age < 0 else at - dt.timedelta(days=age)
    return {"url": f"https://example.com/{age}", "make": make, "item_condition": condition, "created_at": created}


def opt_out(lake: Lake, *numbers: int, at: dt.datetime = NOW, website: str = WEBSITE) -> None:
    people = [somebody(number).hashes for number in numbers]
    ledger.record(lake, website, people, source_hash=f"{at}", at=at)


def derive(lake: Lake, *days: dt.date) -> None:
    """Commit everything that can be derived for some days."""
    for derived in DERIVED:
        derivations = Derivations(lake, derived, WEBSITE, window_days=WINDOW_DAYS, first_day=FIRST_DAY, now=lambda: NOW)
        for day, outcome in derivations.each(days):
            if isinstance(outcome, MadePartition):
                lake.commit(Partition(derived.name, WEBSITE, day), outcome.staged.file)


def settings(rules: Iterable[ExportRule] = (), **tables: Mapping[str, Any]) -> Settings:
    """Settings of the one website and these exports, with these values in their tables."""
    usual: dict[str, Mapping[str, Any]] = {
        "partitions": {"start_date": FIRST_DAY},
        "websites": {WEBSITE: {"token_env": "TOKEN", "secret_env": "SECRET"}},
        "derived": {"window_days": WINDOW_DAYS},
    }
    changed = {name: {**usual.get(name, {}), **table} for name, table in tables.items()}
    return Settings.model_validate(usual | changed | {"exports": [rule.model_dump() for rule in rules]})


def figures(
    lake: Lake,
    day: dt.date = DAY,
    failures: Mapping[str, FailureRecord] | None = None,
    rules: Iterable[ExportRule] = (),
    **tables: Mapping[str, Any],
) -> Figures:
    """The figures of a day, with these exports, and these values in tables of the settings."""
    now = NOW + dt.timedelta(hours=6)
    options = ReportOptions(settings=settings(rules, **tables), now=now, failures=failures or {})
    return gather(lake, WEBSITE, day, options)


def fill(lake: Lake) -> None:
    """Twenty days of everything: a day that is missing, one that is late, and names that must not be believed."""
    for age in range(20):
        if age == 4:
            continue
        day = ago(age)
        visitors(lake, day, range(age, age + 40 - age % 7), late=2 if age == 6 else 0)
        locations(lake, day, range(age, age + 30))
        members(lake, day, {1: range(age, age + 20), 2: range(2 * age, 2 * age + 12), 3: range(5)})
        makes = ("Ford", "Honda", HOSTILE)
        rows = (product(n * 4, make=makes[n % 3], condition=("NEW", "USED", "CPO")[n % 3], day=day) for n in range(50))
        capture(lake, "products", day, rows, coercions={"year": 3})
    audiences(lake, DAY, {1: ("NEW", "FORD", "F-150"), 2: ("USED", HOSTILE, None), 3: (None, None, None)})
    derive(lake, *(ago(age) for age in range(9)))
