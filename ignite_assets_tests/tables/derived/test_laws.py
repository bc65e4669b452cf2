"""The laws of the derived rows, against plain Python: any gaps, windows of any length, clipped anywhere."""

import datetime as dt
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.api.errors import IgniteError
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.derived.audience_trends import AUDIENCE_TRENDS
from ignite_assets.tables.derived.derivation import Derivations
from ignite_assets.tables.derived.location_recency import LOCATION_RECENCY
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.derived.visitor_recency import VISITOR_RECENCY
from ignite_assets.tables.made import MadePartition
from ignite_assets.tables.registry import DERIVED
from ignite_assets_tests.audiences.captures import DAY, NOW, WEBSITE, ago, capture
from ignite_assets_tests.tables.derived.histories import (
    DAYS,
    FIRST_DAYS,
    LOCATIONS,
    MEMBERS,
    SPAN,
    VISITORS,
    WINDOWS,
    History,
    Model,
    commit,
    derive,
    history_of,
    nested,
    rows_of,
    some_of,
)

SOURCES = {"visitor_recency": VISITORS, "audience_trends": MEMBERS, "location_recency": LOCATIONS}
EXAMPLES = settings(max_examples=30)


@contextmanager
def lake_of(asset: str, history: History, *, shuffled: int | None = None) -> Iterator[Lake]:
    with tempfile.TemporaryDirectory() as root:
        lake = Lake(root)
        commit(lake, asset, history, shuffled=shuffled)
        yield lake


@EXAMPLES
@given(VISITORS, st.sets(DAYS), WINDOWS, FIRST_DAYS)
def test_recency_is_the_largest_captured_day_that_holds_the_hash(
    history: History, late: set[dt.date], days: int, first_day: dt.date
) -> None:
    history = nested(history, late)
    model = Model(history, DAY, days, min(first_day, DAY))
    expected = [
        {
            "hashed_email": person,
            "algo": "sha2",
            "last_seen": max(day for day in model.captured if any(r["hashed_email"] == person for r in history[day])),
            "coverage": model.coverage,
        }
        for (person,) in sorted(model.values("hashed_email"))
    ]
    with lake_of("visitors", history) as lake:
        found = derive(lake, VISITOR_RECENCY, window_days=days, first_day=model.first_day)

        assert rows_of(found) == expected
        assert found.facts["seen_that_day"] == len(history[DAY])


@EXAMPLES
@given(MEMBERS, st.sets(DAYS), WINDOWS, FIRST_DAYS)
def test_trends_are_the_difference_of_two_windows(
    history: History, late: set[dt.date], days: int, first_day: dt.date
) -> None:
    model = Model(nested(history, late), DAY, days, min(first_day, DAY))
    now, before = (each.values("audience_id", "hashed_email") for each in (model, model.before))
    known = model.before.coverage > 0
    with lake_of("audience_members", model.history) as lake:
        rows = rows_of(derive(lake, AUDIENCE_TRENDS, window_days=days, first_day=model.first_day))

    assert rows == [
        {
            "audience_id": audience,
            "primary_category": None,
            "brand": None,
            "model": None,
            "size": sum(of == audience for of, _ in now),
            "joined": sum(of == audience for of, _ in now - before) if known else None,
            "left": sum(of == audience for of, _ in before - now) if known else None,
            "coverage": model.coverage,
            "coverage_before": model.before.coverage,
        }
        for audience in sorted({of for of, _ in now | before})
    ]


@EXAMPLES
@given(MEMBERS, WINDOWS)
def test_size_is_the_size_before_and_who_joined_without_who_left(history: History, days: int) -> None:
    with lake_of("audience_members", {ago(1): [], **history}) as lake:
        rows = rows_of(derive(lake, AUDIENCE_TRENDS, window_days=days))
        sizes = {
            r["audience_id"]: r["size"] for r in rows_of(derive(lake, AUDIENCE_TRENDS, window_days=days, day=ago(1)))
        }

    for row in rows:
        assert row["size"] == sizes.get(row["audience_id"], 0) + row["joined"] - row["left"]
    assert {audience for audience, size in sizes.items() if size} <= {row["audience_id"] for row in rows}


@EXAMPLES
@given(LOCATIONS, st.sets(DAYS), WINDOWS, FIRST_DAYS)
def test_locations_are_those_of_the_window_with_their_largest_day(
    history: History, late: set[dt.date], days: int, first_day: dt.date
) -> None:
    history = nested(history, late)
    model = Model(history, DAY, days, min(first_day, DAY))
    with lake_of("locations", history) as lake:
        rows = rows_of(derive(lake, LOCATION_RECENCY, window_days=days, first_day=model.first_day))

    assert [(row["id"], row["city"], row["last_seen"], row["coverage"]) for row in rows] == [
        (
            number,
            "Austin",
            max(day for day in model.captured if any(r["id"] == number for r in history[day])),
            model.coverage,
        )
        for (number,) in sorted(model.values("id"))
    ]


@pytest.mark.parametrize("derived", DERIVED, ids=lambda derived: derived.name)
@settings(max_examples=15)
@given(data=st.data(), seed=st.integers(0, 9))
def test_nothing_depends_on_the_order_of_rows(derived: Derived, data: st.DataObject, seed: int) -> None:
    history = data.draw(SOURCES[derived.name])
    hashes = []
    for order in (None, seed):
        with lake_of(derived.main, history, shuffled=order) as lake:
            hashes.append(derive(lake, derived, window_days=SPAN).staged.content_hash)
    assert hashes[0] == hashes[1]


PLACES = history_of(some_of({"id": n, "city": city} for n in (1, 2) for city in ("Austin", "Waco", None)))
DETAILS = history_of(
    some_of({"id": n, "traffic_score": score, "visit_first": first} for n in (1, 2) for score in (1.0, 2.0) for first in
            (None, NOW))
)  # fmt: skip
READ = {
    "visitor_recency": {"visitors": VISITORS},
    "audience_trends": {"audience_members": MEMBERS},
    "location_recency": {"locations": PLACES, "location_details": DETAILS},
}


@pytest.mark.parametrize("derived", DERIVED, ids=lambda derived: derived.name)
@settings(max_examples=12)
@given(data=st.data(), days=WINDOWS, first_day=FIRST_DAYS, wanted=st.sets(DAYS, min_size=2))
def test_days_derived_in_one_pass_are_those_derived_one_by_one(
    derived: Derived, data: st.DataObject, days: int, first_day: dt.date, wanted: set[dt.date]
) -> None:
    with tempfile.TemporaryDirectory() as root:
        lake = Lake(root)
        for asset, histories in READ[derived.name].items():
            commit(lake, asset, data.draw(histories))
        whole = Derivations(lake, derived, WEBSITE, window_days=days, first_day=min(first_day, DAY), now=lambda: NOW)
        together = dict(whole.each(sorted(wanted)))
        alone = {day: outcome for each in sorted(wanted) for day, outcome in whole.each([each])}

    def told(outcome: MadePartition | IgniteError) -> object:
        return str(outcome) if isinstance(outcome, IgniteError) else (outcome.staged.content_hash, outcome.facts)

    assert {day: told(each) for day, each in together.items()} == {day: told(each) for day, each in alone.items()}


@pytest.mark.parametrize("derived", DERIVED, ids=lambda derived: derived.name)
def test_a_window_of_empty_partitions_is_a_whole_one(derived: Derived, tmp_path: object) -> None:
    lake = Lake(str(tmp_path))
    for age in range(4):
        capture(lake, derived.main, ago(age), [])

    found = derive(lake, derived, window_days=4)
    assert (found.staged.rows, found.facts["coverage"], found.facts["missing_days"]) == (0, 1.0, "")
    found = derive(lake, derived, window_days=5)
    assert (found.staged.rows, found.facts["coverage"], found.facts["missing_days"]) == (0, 0.8, str(ago(4)))
