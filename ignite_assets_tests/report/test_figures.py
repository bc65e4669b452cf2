"""A report's numbers as a whole: opt-outs, the state of the data, and what is told of a website that has nothing."""

import datetime as dt
from pathlib import Path

import duckdb
import pytest

from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.report.condition import AssetState
from ignite_assets.report.figures import Figures, NothingCapturedError, newest_day
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.derivation import Derivations
from ignite_assets.tables.derived.visitor_recency import VISITOR_RECENCY
from ignite_assets.tables.registry import DERIVED
from ignite_assets_tests.audiences.captures import DAY, NOW, WEBSITE, ago
from ignite_assets_tests.report.made import FIRST_DAY, WINDOW_DAYS, capture, figures, opt_out, visitors


def asset(found: Figures, name: str) -> AssetState:
    return {each.asset: each for each in found.condition}[name]


def test_a_website_without_anything_of_the_day_has_no_report(lake: Lake) -> None:
    visitors(lake, ago(1), [1])
    with pytest.raises(NothingCapturedError, match=f"nothing of {WEBSITE} was captured for {DAY}") as caught:
        figures(lake)
    assert not caught.value.retryable


def test_one_partition_of_the_day_is_enough(lake: Lake) -> None:
    capture(lake, "sales", DAY, [{"kind": "sale", "record": "{}"}])

    found = figures(lake)

    assert (found.there, found.wanted) == (1, len(ENDPOINTS))
    assert (found.audiences, found.locations, found.inventory, found.lists) == (None, None, None, ())
    assert {each.name: each.value for each in found.headlines} == {
        "visitors_day": None, "visitors_week": None, "locations_week": None, "products": None, "opted_out": 0,
    }  # fmt: skip


def test_headlines_are_what_duckdb_counts(full: Lake, reported: Figures) -> None:
    def count(what: str, asset: str, ages: range) -> int:
        files = [f"{full.root}/{asset}/website={WEBSITE}/date={ago(age)}/part-0.parquet" for age in ages if age != 4]
        row = duckdb.connect().execute(f"SELECT count({what}) FROM read_parquet(?)", [files]).fetchone()
        assert row
        return int(row[0])

    told = {each.name: (each.value, each.before) for each in reported.headlines}

    assert told["visitors_day"] == (count("*", "visitors", range(1)), count("*", "visitors", range(7, 8)))
    assert told["visitors_week"] == (count("DISTINCT hashed_email", "visitors", range(7)), None)
    assert told["locations_week"] == (count("DISTINCT id", "locations", range(7)), None)
    assert told["products"] == (count("*", "products", range(1)), count("*", "products", range(7, 8)))
    sums = (
        duckdb.connect()
        .execute(
            "SELECT sum(size) FROM read_parquet(?)", [f"{full.root}/audience_trends/website={WEBSITE}/date={DAY}/*"]
        )
        .fetchone()
    )
    assert sums
    assert told["memberships"][0] == sums[0]


def test_the_window_and_the_time_of_its_newest_capture_are_told(reported: Figures) -> None:
    assert (reported.first, reported.days) == (ago(WINDOW_DAYS - 1), WINDOW_DAYS)
    assert reported.captured_at == dt.datetime.combine(DAY + dt.timedelta(days=1), dt.time(0, 30), dt.UTC)
    assert reported.newer is None


def test_a_newer_day_is_told(lake: Lake) -> None:
    visitors(lake, ago(2), [1])
    visitors(lake, DAY, [1])

    assert figures(lake, day=ago(2)).newer == DAY
    assert figures(lake).newer is None


def test_opt_outs_are_counted_and_dated(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, DAY, [1])
    old = NOW - dt.timedelta(days=30)
    opt_out(lake, 1, 2, at=old)
    opt_out(lake, 2, 3, at=NOW)
    opt_out(lake, 9, website="bayside-kia")
    inbox = tmp_path / "inbox" / WEBSITE
    inbox.mkdir(parents=True)
    (inbox / "somebody@example.com.txt").write_text("somebody@example.com")

    found = figures(lake, opt_outs={"inbox": str(tmp_path / "inbox"), "scope": "all"}).opt_outs

    assert (found.people, found.in_week, found.since, found.elsewhere, found.waiting) == (3, 1, old, 4, 1)
    (headline,) = [each for each in figures(lake).headlines if each.name == "opted_out"]
    assert (headline.value, headline.before) == (3, 2)
    assert figures(lake).opt_outs.waiting is None
    assert figures(lake).opt_outs.elsewhere is None


def test_gaps_are_told_by_asset(reported: Figures) -> None:
    found = asset(reported, "visitors")
    assert (found.newest, found.captured, found.wanted, found.missing) == (DAY, 9, 10, (ago(4),))
    assert found.until == ago(4) + dt.timedelta(days=60)
    assert asset(reported, "audiences").until is None
    assert asset(reported, "sales").newest is None
    assert asset(reported, "sales").captured == 0
    assert len(reported.condition) == len(ENDPOINTS) + len(DERIVED)


def test_misfits_are_told_with_what_the_check_says(reported: Figures) -> None:
    found = asset(reported, "products")
    assert found.coercions == {"year": 3}
    ((check, finding),) = found.failed.items()
    assert check == "coercions"
    assert finding.measured == "3 values of year did not fit it (6.0%)"


def test_a_late_capture_is_told(lake: Lake) -> None:
    visitors(lake, DAY, [1], late=2)

    found = asset(figures(lake), "visitors")

    assert found.days_late == 2
    assert list(found.failed) == ["on_time"]


def test_days_that_were_derived_before_a_late_capture_are_named(lake: Lake) -> None:
    visitors(lake, DAY, [1])
    made = Derivations(lake, VISITOR_RECENCY, WEBSITE, window_days=WINDOW_DAYS, first_day=FIRST_DAY).one(DAY)
    lake.commit(Partition("visitor_recency", WEBSITE, DAY), made.staged.file)
    assert asset(figures(lake), "visitor_recency").stale == ()

    visitors(lake, ago(2), [2], late=2)

    assert asset(figures(lake), "visitor_recency").stale == (DAY,)


def test_the_newest_day_is_that_of_any_asset(lake: Lake) -> None:
    assert newest_day(lake, WEBSITE) is None
    visitors(lake, ago(3), [1])
    capture(lake, "sales", ago(1), [])
    assert newest_day(lake, WEBSITE) == ago(1)
    assert newest_day(lake, "bayside-kia") is None


def test_a_window_begins_no_earlier_than_partitions_do(lake: Lake) -> None:
    visitors(lake, FIRST_DAY, [1])
    assert figures(lake, day=FIRST_DAY).days == 1
