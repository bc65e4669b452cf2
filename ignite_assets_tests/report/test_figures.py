"""A report's numbers as a whole: opt-outs, the state of the data, and what is told of a website that has nothing."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.api.errors import FailureRecord
from ignite_assets.audiences import ledger
from ignite_assets.report.condition import AssetState
from ignite_assets.report.figures import Figures, NothingCapturedError, newest_day
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.derivation import Derivations
from ignite_assets.tables.derived.visitor_recency import VISITOR_RECENCY
from ignite_assets.tables.registry import DERIVED
from ignite_assets_tests.audiences.captures import DAY, NOW, WEBSITE, ago, somebody
from ignite_assets_tests.report.made import FIRST_DAY, WINDOW_DAYS, capture, figures, opt_out, visitors


def asset(found: Figures, name: str) -> AssetState:
    return {each.asset: each for each in found.condition.states}[name]


def numbers(found: Figures, name: str) -> dict[str, Any]:
    return {row["data_set"]: row for row in found.condition.data_sets.rows}[name]


def test_a_website_without_anything_of_the_day_has_no_report(lake: Lake) -> None:
    visitors(lake, ago(1), [1])
    with pytest.raises(NothingCapturedError, match=f"nothing of {WEBSITE} was captured for {DAY}") as caught:
        figures(lake)
    assert not caught.value.retryable


def test_one_partition_of_the_day_is_enough(lake: Lake) -> None:
    capture(lake, "sales", DAY, [{"kind": "sale", "record": "{}"}])

    found = figures(lake)

    assert (found.audiences, found.households, found.inventory, found.lists.states) == (None, None, None, ())
    assert found.totals == {"opted_out": 0}
    assert found.notices[0].severe
    assert found.notices[0].what.startswith("Partly captured: visitors, the inventory, households")


@pytest.mark.parametrize(
    ("failure", "why", "remedy"),
    [
        (None, "No capture of it is on record.", "Capture the day again."),
        (FailureRecord(kind="UnauthorizedError", reason="refused", gist="refused", status=401),
         "The platform refused the website's credentials.", "Set the website's token and secret"),
        (FailureRecord(kind="ServerError", reason="failed", gist="server error", status=500),
         "The last capture failed: server error.", "Capture the day again."),
    ],
)  # fmt: skip
def test_what_the_day_lacks_is_told_with_its_cause_and_remedy(
    lake: Lake, failure: FailureRecord | None, why: str, remedy: str
) -> None:
    for endpoint in ENDPOINTS:
        if endpoint.name != "visitors":
            capture(lake, endpoint.name, DAY, [])

    notice = figures(lake, failures={"visitors": failure} if failure else {}).notices[0]

    assert notice.what == "Partly captured: visitors of 20 November 2026 is missing."
    assert notice.why == why
    assert notice.remedy.startswith(remedy)
    assert "can be captured until 19 January 2027" in notice.remedy


def test_a_day_with_everything_has_nothing_to_tell_first(lake: Lake) -> None:
    for endpoint in ENDPOINTS:
        for age in range(WINDOW_DAYS):
            capture(lake, endpoint.name, ago(age), [])
    assert figures(lake).notices == ()


def test_the_window_and_the_time_of_its_newest_capture_are_told(reported: Figures) -> None:
    assert (reported.first, reported.days) == (ago(WINDOW_DAYS - 1), WINDOW_DAYS)
    assert reported.captured_at == dt.datetime.combine(DAY + dt.timedelta(days=1), dt.time(0, 30), dt.UTC)


def test_a_newer_day_is_told(lake: Lake) -> None:
    visitors(lake, ago(2), [1])
    visitors(lake, DAY, [1])

    assert "There is newer data, up to 20 November 2026." in [each.what for each in figures(lake, day=ago(2)).notices]
    assert not any("newer" in each.what for each in figures(lake).notices)


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

    counts = {"people": 3, "this_week": 1, "first_day": old.date(), "by_hash": 0, "submitted": 0}
    assert found.known.first == counts
    assert (found.elsewhere, found.waiting) == (True, 1)
    ledger.withdraw(lake, WEBSITE, [[somebody(1).hashes]], reason="asked", at=NOW + dt.timedelta(hours=1))
    after = figures(lake).opt_outs
    assert after.known.first == counts | {"people": 2}
    assert (after.elsewhere, after.waiting) == (False, None)


def test_gaps_are_told_by_asset(reported: Figures) -> None:
    found = asset(reported, "visitors")
    row = numbers(reported, "visitors")
    assert (found.newest, row["captured"], row["wanted"], found.missing) == (DAY, 9, 10, (ago(4),))
    assert found.until == ago(4) + dt.timedelta(days=60)
    assert asset(reported, "audiences").until is None
    assert asset(reported, "sales").newest is None
    assert numbers(reported, "sales")["captured"] == 0
    assert len(reported.condition.states) == len(ENDPOINTS) + len(DERIVED)


def test_misfits_are_told_with_what_the_check_says(reported: Figures) -> None:
    found = asset(reported, "products")
    assert numbers(reported, "products")["misfits"] == 3
    ((check, finding),) = found.failed.items()
    assert check == "coercions"
    assert finding.measured == "3 values of year did not fit it (6.0%)"


def test_a_late_capture_is_told(lake: Lake) -> None:
    visitors(lake, DAY, [1], late=2)

    found = figures(lake)

    assert numbers(found, "visitors")["days_late"] == 2
    assert list(asset(found, "visitors").failed) == ["on_time"]


def test_days_that_were_derived_before_a_late_capture_are_named(lake: Lake) -> None:
    visitors(lake, DAY, [1])
    made = Derivations(lake, VISITOR_RECENCY, WEBSITE, window_days=WINDOW_DAYS, first_day=FIRST_DAY).one(DAY)
    lake.commit(Partition("visitor_recency", WEBSITE, DAY), made.staged.file)
    assert asset(figures(lake), "visitor_recency").stale == ()

    visitors(lake, ago(2), [2], late=2)

    found = figures(lake)
    assert asset(found, "visitor_recency").stale == (DAY,)
    assert "Out of date in the lake: visitor recency of 20 Nov." in [each.what for each in found.notices]


def test_the_newest_day_is_that_of_any_asset(lake: Lake) -> None:
    assert newest_day(lake, WEBSITE) is None
    visitors(lake, ago(3), [1])
    capture(lake, "sales", ago(1), [])
    assert newest_day(lake, WEBSITE) == ago(1)
    assert newest_day(lake, "bayside-kia") is None


def test_a_window_begins_no_earlier_than_partitions_do(lake: Lake) -> None:
    visitors(lake, FIRST_DAY, [1])
    assert figures(lake, day=FIRST_DAY).days == 1
