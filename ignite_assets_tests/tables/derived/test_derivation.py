"""What the laws don't say: labels, scores, standing, what is staged, what goes wrong, and on which stores."""

import datetime as dt
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.api.arrow import arrow_schema
from ignite_assets.api.errors import MissingPartitionError
from ignite_assets.storage.lake import FILE_NAME, Lake, Partition, columns
from ignite_assets.tables.derived.audience_trends import AUDIENCE_TRENDS
from ignite_assets.tables.derived.derivation import DerivationError, Derivations
from ignite_assets.tables.derived.location_recency import LOCATION_RECENCY
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.derived.visitor_recency import VISITOR_RECENCY
from ignite_assets.tables.made import MadePartition
from ignite_assets.tables.registry import DERIVED
from ignite_assets_tests.audiences.captures import DAY, NOW, WEBSITE, ago, capture, members, visitors
from ignite_assets_tests.tables.derived.histories import LONG_AGO, derive, rows_of

ROW = pytest.mark.parametrize("row", DERIVED, ids=lambda row: row.name)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def moment(day: dt.date, hour: int = 0) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour), dt.UTC)


def fill(lake: Lake) -> None:
    """Some days of everything that is read."""
    for age in (5, 3, 1, 0):
        visitors(lake, ago(age), range(age, 20))
        members(lake, ago(age), {1: range(age, 9), 2: range(3), 7 + age: [1]})
        capture(lake, "locations", ago(age), [{"id": n, "city": f"{age}", "latitude": 30.5} for n in range(age, 8)])
        details = [{"id": n, "visit_first": moment(ago(2 * n)), "traffic_score": age / 2} for n in range(age, 6)]
        capture(lake, "location_details", ago(age), details)
    capture(lake, "audiences", ago(3), [{"id": 1, "brand": "KIA"}, {"id": 2, "primary_category": "USED"}])


# Labels.


@pytest.mark.parametrize(
    ("listed", "label"),
    [([0, 2, -1], "0"), ([2, 40, -1], "2"), ([-3, -1], "-1"), ([], None)],
    ids=["of the day", "of the newest before", "of the first after", "unknown"],
)
def test_labels_are_those_of_the_list_that_is_nearest(lake: Lake, listed: list[int], label: str | None) -> None:
    members(lake, DAY, {1: [1], 2: [1]})
    for age in listed:
        capture(lake, "audiences", ago(age), [{"id": 1, "primary_category": "NEW", "brand": f"{age}", "model": None}])

    labelled, unlisted = rows_of(derive(lake, AUDIENCE_TRENDS, window_days=1))
    assert (labelled["brand"], labelled["primary_category"]) == (label, "NEW" if label else None)
    assert (unlisted["audience_id"], unlisted["brand"], unlisted["primary_category"]) == (2, None, None)


# Locations.


@given(
    st.dictionaries(st.integers(0, 4).map(ago), st.sets(st.integers(1, 3))),
    st.dictionaries(st.integers(0, 4).map(ago), st.sets(st.integers(1, 3))),
    st.integers(1, 5),
)
@settings(max_examples=20)
def test_scores_are_those_of_the_newest_details_in_the_window_that_hold_the_location(
    tmp_path_factory: pytest.TempPathFactory, seen: dict[dt.date, set[int]], told: dict[dt.date, set[int]], days: int
) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    seen = {DAY: {1}, **seen}
    for day, ids in seen.items():
        capture(lake, "locations", day, [{"id": n, "city": str(day)} for n in ids])
    for day, ids in told.items():
        capture(
            lake,
            "location_details",
            day,
            [{"id": n, "traffic_score": day.toordinal(), "visit_first": NOW} for n in ids],
        )
    window = [ago(age) for age in range(days)]

    for row in rows_of(derive(lake, LOCATION_RECENCY, window_days=days)):
        holding = [day for day in window if row["id"] in told.get(day, ())]
        assert row["score"] == (max(holding).toordinal() if holding else None)
        assert row["city"] == str(max(day for day in window if row["id"] in seen.get(day, ())))


@pytest.mark.parametrize(
    ("first_visit", "standing"),
    [
        (moment(ago(3)) - dt.timedelta(microseconds=1), "returning"),
        (moment(ago(3)), "new"),
        (moment(DAY, 23), "new"),
        (moment(DAY) + dt.timedelta(days=1), None),
        (None, None),
    ],
)
def test_a_location_is_new_when_its_first_visit_lies_within_the_window(
    lake: Lake, first_visit: dt.datetime | None, standing: str | None
) -> None:
    capture(lake, "locations", DAY, [{"id": 1}])
    capture(lake, "location_details", DAY, [{"id": 1, "visit_first": first_visit}])

    (row,) = rows_of(derive(lake, LOCATION_RECENCY, window_days=4))
    assert (row["first_visit"], row["standing"]) == (first_visit, standing)


def test_a_window_that_is_clipped_at_the_start_is_shorter_for_newcomers_too(lake: Lake) -> None:
    capture(lake, "locations", DAY, [{"id": 1}])
    capture(lake, "location_details", DAY, [{"id": 1, "visit_first": moment(ago(3))}])

    for first_day, standing, coverage in ((ago(9), "new", 0.25), (ago(1), "returning", 0.5)):
        (row,) = rows_of(derive(lake, LOCATION_RECENCY, window_days=4, first_day=first_day))
        assert (row["standing"], row["coverage"]) == (standing, coverage)


# What is staged.


@ROW
def test_rows_are_staged_in_the_declared_schema_with_what_they_were_made_of(row: Derived, lake: Lake) -> None:
    fill(lake)
    made = derive(lake, row, window_days=6)
    lake.commit(Partition(row.name, WEBSITE, DAY), made.staged.file)

    partition = Partition(row.name, WEBSITE, DAY)
    assert columns(lake.metadata(partition)).equals(arrow_schema(row).remove_metadata())
    footer = lake.footer(partition)
    assert footer["ignite.rows"] == str(made.staged.rows) != "0"
    assert footer["ignite.content_hash"] == made.staged.content_hash
    assert (footer["ignite.asset"], footer["ignite.date"]) == (row.name, str(DAY))
    assert footer["ignite.derived_at"] == NOW.isoformat()
    assert (footer["ignite.window_first"], footer["ignite.window_days"]) == (str(ago(5)), "6")
    assert footer["ignite.window_missing"] == f'["{ago(4)}", "{ago(2)}"]'
    assert footer["ignite.coverage"] == repr(4 / 6)
    assert set(lake.read([partition], ["derived_at"]).column("derived_at").to_pylist()) == {NOW}


@ROW
def test_the_moment_of_a_derivation_is_no_part_of_its_content(row: Derived, lake: Lake) -> None:
    fill(lake)
    first = derive(lake, row, window_days=6)
    later = Derivations(lake, row, WEBSITE, window_days=6, first_day=LONG_AGO).one(DAY)
    assert later.made_at > first.made_at
    assert later.staged.content_hash == first.staged.content_hash


@ROW
def test_an_object_store_gives_the_same_rows(row: Derived, lake: Lake, bucket: str) -> None:
    remote = Lake(f"{bucket}/lake")
    found = []
    for each in (lake, remote):
        fill(each)
        days = Derivations(each, row, WEBSITE, window_days=6, first_day=LONG_AGO).each([ago(1), DAY])
        made = [outcome for _, outcome in days if isinstance(outcome, MadePartition)]
        found.append([(outcome.staged.rows > 0, outcome.staged.content_hash) for outcome in made])
    assert found[0] == found[1]
    assert [has_rows for has_rows, _ in found[0]] == [True, True]


@ROW
def test_websites_are_kept_apart(row: Derived, lake: Lake) -> None:
    fill(lake)
    before = rows_of(derive(lake, row, window_days=6))
    visitors(lake, DAY, [99], website="bayside-kia")
    members(lake, DAY, {1: [99]}, website="bayside-kia")
    capture(lake, "locations", DAY, [{"id": 99}], website="bayside-kia")
    capture(lake, "audiences", DAY, [{"id": 1, "brand": "OTHER"}], website="bayside-kia")
    assert rows_of(derive(lake, row, window_days=6)) == before


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    plain, odd = Lake(str(tmp_path / "lake")), Lake(str(tmp_path / "a[1]*? 'date=2026-01-01'/lake"))
    for each in (plain, odd):
        fill(each)
    for row in DERIVED:
        assert rows_of(derive(odd, row, window_days=6)) == rows_of(derive(plain, row, window_days=6))


# What goes wrong.


@ROW
def test_a_day_whose_own_partition_is_missing_fails_alone(row: Derived, lake: Lake) -> None:
    fill(lake)
    days = [ago(age) for age in (3, 2, 1)]
    outcomes = dict(Derivations(lake, row, WEBSITE, window_days=6, first_day=LONG_AGO).each(days))

    missing = outcomes[ago(2)]
    assert isinstance(missing, MissingPartitionError)
    assert str(missing) == f"{row.main} {ago(2)}|{WEBSITE} has not been captured: materialize it first"
    assert not missing.retryable
    assert {day for day, outcome in outcomes.items() if outcome is not missing} == {ago(3), ago(1)}


def test_a_file_that_can_not_be_read_is_an_error_that_may_pass(lake: Lake) -> None:
    fill(lake)
    path = Path(lake.root) / Partition("visitors", WEBSITE, ago(1)).folder / FILE_NAME
    path.write_bytes(path.read_bytes()[:-9])

    with pytest.raises(DerivationError, match=rf"visitor_recency {DAY}\|{WEBSITE}: ") as failed:
        derive(lake, VISITOR_RECENCY, window_days=6)
    assert failed.value.retryable
    # The days whose windows don't hold it are none the worse.
    assert derive(lake, VISITOR_RECENCY, window_days=1).staged.rows == 20


# What it takes.


@pytest.mark.skipif(duckdb.__version__.startswith("1."), reason="before 2, duckdb imports pandas to bind a value")
def test_deriving_does_not_import_pandas(lake: Lake) -> None:
    fill(lake)
    program = f"""
import datetime as dt, sys
from ignite_assets.tables.derived.derivation import Derivations
from ignite_assets.tables.registry import DERIVED
from ignite_assets.storage.lake import Lake
for row in DERIVED:
    derivations = Derivations(Lake({lake.root!r}), row, {WEBSITE!r}, window_days=6, first_day=dt.date(2026, 1, 1))
    assert derivations.one(dt.date.fromisoformat("{DAY}")).preview
print("duckdb" in sys.modules, "pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=False)
    assert (done.stdout.strip(), done.stderr) == ("True False", "")
