"""When a derived partition is stale: exactly when the content of what it was made from is another now."""

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.audience_trends import AUDIENCE_TRENDS
from ignite_assets.tables.derived.inputs import Inputs
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.derived.visitor_recency import VISITOR_RECENCY
from ignite_assets_tests.audiences.captures import DAY, WEBSITE, ago, members, visitors
from ignite_assets_tests.tables.derived.histories import LONG_AGO, derive

WINDOW_DAYS = 3


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def keep(lake: Lake, row: Derived, day: dt.date) -> None:
    made = derive(lake, row, window_days=WINDOW_DAYS, day=day)
    lake.commit(Partition(row.name, WEBSITE, day), made.staged.file)


def inputs_of(lake: Lake, row: Derived = VISITOR_RECENCY) -> Inputs:
    return Inputs(lake, row, WEBSITE, window_days=WINDOW_DAYS, first_day=LONG_AGO)


def stale(lake: Lake, row: Derived = VISITOR_RECENCY) -> list[dt.date]:
    return inputs_of(lake, row).stale(since=ago(30))


def test_a_partition_is_stale_when_a_day_of_its_window_has_other_rows(lake: Lake) -> None:
    for age in (5, 4, 3, 2, 1, 0):
        visitors(lake, ago(age), [age])
        keep(lake, VISITOR_RECENCY, ago(age))
    assert stale(lake) == []

    visitors(lake, ago(3), [1, 2, 3])

    assert stale(lake) == [ago(1), ago(2), ago(3)]  # newest first


def test_a_day_that_is_healed_makes_stale_what_was_derived_without_it(lake: Lake) -> None:
    for age in (2, 0):
        visitors(lake, ago(age), [age])
        keep(lake, VISITOR_RECENCY, ago(age))

    visitors(lake, ago(1), [7])

    assert stale(lake) == [DAY]


def test_the_same_rows_captured_again_make_nothing_stale(lake: Lake) -> None:
    visitors(lake, DAY, [1, 2])
    keep(lake, VISITOR_RECENCY, DAY)

    visitors(lake, DAY, [1, 2])

    assert stale(lake) == []


def test_the_window_that_ended_the_day_before_is_an_input_too(lake: Lake) -> None:
    for age in (3, 0):
        members(lake, ago(age), {1: [age]})
    keep(lake, AUDIENCE_TRENDS, DAY)

    members(lake, ago(3), {1: [8, 9]})

    assert stale(lake, AUDIENCE_TRENDS) == [DAY]


@given(st.lists(st.tuples(st.integers(0, 6), st.sets(st.integers(0, 3))), min_size=1, max_size=6), st.integers(0, 6))
@settings(max_examples=15)
def test_stale_are_those_that_would_be_made_of_other_partitions_now(
    tmp_path_factory: pytest.TempPathFactory, captures: list[tuple[int, set[int]]], derived_after: int
) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    made: dict[dt.date, object] = {}
    for number, (age, people) in enumerate(captures):
        visitors(lake, ago(age), sorted(people))
        if number <= derived_after:
            keep(lake, VISITOR_RECENCY, ago(age))
            made[ago(age)] = inputs_of(lake).hashes(ago(age))

    now = inputs_of(lake)
    assert set(stale(lake)) == {day for day, hashes in made.items() if now.hashes(day) != hashes}
