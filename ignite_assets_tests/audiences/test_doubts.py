"""Lists heed the check `sound`: what it doubts holds them, until somebody knows better."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from ignite_assets.audiences import history, ledger
from ignite_assets.audiences.lists import List
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import (
    DAY,
    NOW,
    WEBSITE,
    ago,
    capture,
    hashed,
    members,
    rule,
    run_one,
    somebody,
    uploaded,
    visitors,
)
from ignite_assets_tests.audiences.uploader import pointed_at

NIGHTS = 5
DOUBT = f"visitors {DAY}|{WEBSITE} isn't sound: rows: "


def nights(lake: Lake, last: Iterable[int]) -> None:
    """Some nights of thirty visitors each, and then those of the day."""
    for age in range(NIGHTS, 0, -1):
        visitors(lake, ago(age), range(30))
    visitors(lake, DAY, last)


def newest(to: Path) -> Path:
    return pointed_at(to / f"everyone/website={WEBSITE}")


def test_a_list_of_a_capture_that_isnt_sound_is_held_and_opt_outs_still_leave(lake: Lake, to: Path) -> None:
    nights(lake, range(400))
    run_one(lake, rule(to), ago(1))
    ledger.record(lake, WEBSITE, [somebody(7).hashes], source_hash="a", at=NOW)
    outcome = run_one(lake, rule(to))
    assert outcome.decision.reasons[0].startswith(f"{DOUBT}400 rows")
    assert outcome.status == "held, opt-outs written"
    assert len(outcome.decision.reasons) == 2  # it would grow too much besides
    assert uploaded(newest(to)) == {"remove.txt": [hashed(7)]}
    (reason,) = run_one(lake, rule(to, max_growth=99)).decision.reasons
    assert reason.startswith(DOUBT)


@pytest.mark.parametrize("age", range(NIGHTS - 2))
def test_any_day_of_the_window_counts(lake: Lake, to: Path, age: int) -> None:
    nights(lake, range(30))
    visitors(lake, ago(age), range(400))
    outcome = run_one(lake, rule(to, window_days=5))
    assert [f"visitors {ago(age)}|{WEBSITE}" in reason for reason in outcome.decision.reasons] == [True]
    assert run_one(lake, rule(to, window_days=5), dry_run=True).status == "held"


def test_a_doubted_list_of_audiences_holds_the_lists_of_its_members(lake: Lake, to: Path) -> None:
    for age in (3, 2, 1, 0):
        ids = range(25 if age else 3)
        capture(lake, "audiences", ago(age), [{"id": i, "primary_category": "USED"} for i in ids])
        members(lake, ago(age), {i: range(i, i + 20) for i in range(9)})
    of = rule(to, source="audiences", match={"primary_category": ["USED"]})
    (reason,) = run_one(lake, of).decision.reasons
    assert reason == f"audiences {DAY}|{WEBSITE} isn't sound: rows: 3 rows"


def test_an_empty_day_that_is_doubted_counts_as_not_captured(lake: Lake, to: Path) -> None:
    nights(lake, range(30))
    visitors(lake, ago(2), [])
    outcome = run_one(lake, rule(to, window_days=4))
    assert outcome.decision.reasons == (f"1 day of the window not captured: {ago(2)}",)
    assert outcome.window
    assert outcome.window.missing == (ago(2),)
    assert run_one(lake, rule(to, window_days=4, adds_when_incomplete=True)).decision.allowed == "adds"


def test_an_empty_day_that_was_overridden_counts_as_captured(lake: Lake, to: Path) -> None:
    nights(lake, range(30))
    visitors(lake, ago(2), [])
    of = rule(to, window_days=4)
    run_one(lake, of, force="closed for a day")
    assert run_one(lake, of).decision.reasons == ()


def test_an_empty_day_that_is_usual_is_a_day(lake: Lake, to: Path) -> None:
    for age in range(NIGHTS, -1, -1):
        visitors(lake, ago(age), [])
    outcome = run_one(lake, rule(to, window_days=4))
    assert outcome.window
    assert outcome.window.missing == ()


def test_a_doubt_that_was_overridden_holds_the_list_no_more_and_another_does(lake: Lake, to: Path) -> None:
    nights(lake, range(400))
    of = rule(to, window_days=3, max_growth=99)
    assert run_one(lake, of).decision.held
    forced = run_one(lake, of, force="black friday")
    assert forced.decision.forced == "black friday"
    manifest = json.loads((newest(to) / "manifest.json").read_text())
    ((doubt, reason),) = manifest["accepted"].items()
    assert (doubt.startswith(DOUBT), reason) == (True, "black friday")

    ledger.record(lake, WEBSITE, [somebody(7).hashes], source_hash="a", at=NOW)
    assert not run_one(lake, of).decision.held
    chain = history.read(List(str(to), "everyone", WEBSITE))
    assert chain.last
    assert chain.last.manifest.accepted == {doubt: "black friday"}
    assert chain.last.manifest.forced is None

    visitors(lake, ago(1), range(500, 900))
    assert f"visitors {ago(1)}|{WEBSITE} isn't sound" in run_one(lake, of).decision.reasons[0]


def test_a_list_that_grows_or_is_replaced_past_its_limit_is_held(lake: Lake, to: Path) -> None:
    visitors(lake, ago(1), range(10))
    run_one(lake, rule(to), ago(1))
    visitors(lake, DAY, range(41))
    assert run_one(lake, rule(to)).decision.reasons == (
        "31 people would join a list of 10 (it grows by 310%), more than 300%",
    )
    assert not run_one(lake, rule(to, max_growth=3.1), dry_run=True).decision.held
    visitors(lake, DAY, range(6, 16))
    assert run_one(lake, rule(to, max_replaced=0.5)).decision.reasons == (
        "6 of 10 people would be replaced by others (60%), more than 50%",
    )
    assert not run_one(lake, rule(to)).decision.held
