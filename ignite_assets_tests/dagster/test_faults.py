"""A failed capture changes nothing: every fault, for every endpoint, through Dagster, over a night that had landed.

How the client tells the faults apart is `api/test_client_faults.py`'s business; here it is what they leave in the lake.
"""

import datetime as dt
import gzip
import itertools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ignite_assets.api.endpoints import by_name
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.patience import Limits
from ignite_assets.config import Settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.resources import IgniteResource
from ignite_assets.sandbox import Fault, SandboxServer, frozen
from ignite_assets.sandbox.faults import Drip
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.conftest import (
    ACME,
    CURRENT_STATE,
    LOOK_BACK,
    NAMES,
    NOW,
    YESTERDAY,
    Runner,
    contents,
    partition,
    reasons,
)

DRIPS: tuple[Drip, ...] = ("header lines", "chunk size", "trailer")
"""Where an answer that is ended by force looks most like a whole one; the others are in `tables/test_faults.py`."""
BROKEN = {
    "reset": Fault(cut="reset"),
    "closed": Fault(cut="close"),
    "truncated, with a length": Fault(cut="length"),
    "truncated, without one": Fault(cut="chunked"),
    "empty": Fault(body=b""),
    "not JSON": Fault(body=b"oops"),
    "HTML": Fault(body=b"<html><body>Sorry</body></html>", content_type="text/html"),
    "null": Fault(body=b"null"),
    "a number": Fault(body=b"42"),
    "nested arrays": Fault(body=b"[[[1]]]"),
    "endless": Fault(body=b"[", endless=True),
    **{f"dripping {drip}": Fault(drip=drip) for drip in DRIPS},
    "too large": Fault(body=b"[" + b" " * 3_000_000 + b"]"),
    "broken gzip": Fault(body=gzip.compress(b"[]", mtime=0)[:-9], content_encoding="gzip"),
    "Latin-1": Fault(body='["é"]'.encode("latin-1")),
    "NaN": Fault(body=b'[{"id": NaN}]'),
    "one name, two values": Fault(body=b'[{"id": 1, "id": 2}]'),
    "nested deeply": Fault(body=b"[" * 100_000),
    "a lone surrogate": Fault(body=b'["\\ud800"]'),
    "a number beyond int64": Fault(body=b"[123456789012345678901234567890]"),
    "redirected": Fault(status=302, headers={"Location": "https://elsewhere.example/"}),
    **{f"status {status}": Fault(status=status) for status in (401, 403, 404, 408, 429, 500, 502, 503, 504)},
    "Retry-After in seconds": Fault(retry_after=1),
    "Retry-After as a date": Fault(retry_after=dt.datetime(2026, 11, 20, 9, 31, tzinfo=dt.UTC)),
    "Retry-After for a year": Fault(retry_after=31_536_000),
}


class HastyResource(IgniteResource):
    """Asks as the configuration says, but waits no longer than a test can."""

    def limits(self) -> Limits:
        return replace(super().limits(), backoff_seconds=0.0, longest_wait_seconds=0.0)


@pytest.fixture
def hasty(settings: Settings) -> Callable[..., dg.Definitions]:
    """The definitions with clients that lose no time; `platform` replaces settings of that name."""

    def build(**platform: float) -> dg.Definitions:
        changed = settings.model_copy(update={"platform": settings.platform.model_copy(update=platform)})
        resource = HastyResource.from_settings(changed)
        return build_defs(changed, now=frozen(NOW), retry_policy=None, resources={"ignite": resource})

    return build


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the lake of a night is kept, once it is captured."""
    return tmp_path_factory.mktemp("kept") / "lake"


@pytest.fixture
def night(hasty: Callable[..., dg.Definitions], instance: dg.DagsterInstance, settings: Settings, kept: Path) -> None:
    """The lake of a night that landed whole: captured through Dagster by the first test, a copy for the others."""
    if kept.exists():
        shutil.copytree(kept, settings.root)
        return
    assert Runner(instance, hasty()).day(NAMES).success
    shutil.copytree(settings.root, kept)


@pytest.mark.slow
@pytest.mark.usefixtures("night")
@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_a_failed_capture_leaves_the_last_good_partition(
    fault: Fault,
    hasty: Callable[..., dg.Definitions],
    instance: dg.DagsterInstance,
    sandbox: SandboxServer,
    settings: Settings,
) -> None:
    before = contents(settings.root)
    for name in NAMES:
        sandbox.faults.add(replace(fault, endpoint=name))

    brief = {"call_seconds": 0.3} if fault.drip or fault.endless else {}
    result = Runner(instance, hasty(max_body_mib=2, **brief)).day(NAMES)

    failed = reasons(result)
    # A step that takes its ids from another's partition does not run when that one failed.
    assert {*failed, "location_details"} == set(NAMES)
    assert contents(settings.root) == before
    for name, reason in failed.items():
        assert ACME.key in reason
        assert any(word in reason for word in (name, "audiences", "audience_groups"))
        assert ("status " in reason) or ("no answer" in reason)
    tried = [reason for reason in failed.values() if "1 try" in reason]
    spared = [reason for reason in failed.values() if "asks to come back in" in reason and "0 tries" in reason]
    assert len(tried) == (len(failed) if fault.retry_after is None else 1)
    assert len(tried) + len(spared) == len(failed), "nothing is asked once the platform asks to come back later"


def test_the_assets_of_a_website_that_is_down_fail_together_and_are_not_tried_again(
    hasty: Callable[..., dg.Definitions], instance: dg.DagsterInstance, sandbox: SandboxServer
) -> None:
    sandbox.faults.add(Fault(status=503))
    result = Runner(instance, hasty(max_tries=20, website_seconds=0.02)).day(NAMES)
    failed = reasons(result)
    assert {*failed, "location_details"} == set(NAMES)
    assert all("the website is down: no answer for 0.02 s" in reason for reason in failed.values())
    assert sum("(no answer, 0 tries)" in reason for reason in failed.values()) == len(failed) - 2
    assert len({request.endpoint for request in sandbox.requests}) == 2, "the others are not asked for"


def test_details_that_fail_leave_the_last_good_partition(
    hasty: Callable[..., dg.Definitions], instance: dg.DagsterInstance, sandbox: SandboxServer, settings: Settings
) -> None:
    runner = Runner(instance, hasty())
    assert runner.day(["locations", "location_details"]).success
    before = contents(settings.root)
    sandbox.faults.add(Fault(endpoint="location_details", times=1, cut="length"))
    assert set(reasons(runner.day(["location_details"]))) == {"location_details"}
    assert contents(settings.root) == before


@pytest.mark.slow
def test_a_night_lands_whole_when_the_platform_refuses_three_calls_in_ten(
    hasty: Callable[..., dg.Definitions], instance: dg.DagsterInstance, sandbox: SandboxServer, lake: Lake
) -> None:
    runner = Runner(instance, hasty(max_tries=5))
    calm = runner.day(NAMES)
    assert calm.success
    known = {name: lake.footer(partition(name))["ignite.content_hash"] for name in (*LOOK_BACK, *CURRENT_STATE)}
    sandbox.requests.clear()
    sandbox.faults.add(Fault(status=503, probability=0.3, seed=7))

    assert runner.day(NAMES).success

    assert {name: lake.footer(partition(name))["ignite.content_hash"] for name in known} == known
    counted = sum(int(str(runner.materializations(name)[-1].metadata["requests"].value)) for name in NAMES)
    found = (runner.materializations(name)[-1].metadata.get("retries") for name in NAMES)
    repeated = sum(int(str(each.value)) for each in found if each)
    assert counted == len(sandbox.requests)
    assert repeated == sum(request.status == 503 for request in sandbox.requests) > 0


DAY = dt.timedelta(days=1)
JUMPS = {
    "an hour back": dt.timedelta(hours=-1),
    "a day back": -DAY,
    "past midnight": dt.timedelta(hours=15),
    "a year on": 365 * DAY,
}


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 5, 8])
@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_a_clock_that_jumps_during_a_run_costs_nothing_but_what_can_not_be_captured_then(
    jump: dt.timedelta, after: int, settings: Settings, instance: dg.DagsterInstance, sandbox: SandboxServer, lake: Lake
) -> None:
    """The moments are 00:40 and what a jump makes of it."""
    early = NOW.replace(hour=0, minute=40)
    sandbox.now = frozen(early)
    read = itertools.count()

    def clock() -> dt.datetime:
        return early + (jump if next(read) >= after * 3 else dt.timedelta())

    result = Runner(instance, build_defs(settings, now=clock, retry_policy=None)).day(NAMES)
    failed = reasons(result)
    told = ("has not closed yet", "only tells the present", "beyond the platform's look-back window", "is older than")
    assert all(any(each in reason for each in told) for reason in failed.values()), failed
    landed = set(NAMES) - set(failed) - ({"location_details"} if "locations" in failed else set())
    assert {name for name in NAMES if lake.exists(partition(name))} == landed
    for name in landed:
        captured = dt.datetime.fromisoformat(lake.footer(partition(name))["ignite.captured_at"])
        assert Horizon(now=frozen(captured)).refusal(by_name()[name], YESTERDAY) is None, (name, captured)


@pytest.mark.slow
def test_a_lake_that_is_deleted_during_a_run_is_made_anew(
    defs: dg.Definitions, instance: dg.DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Runner(instance, defs)
    at_the_first_commit(monkeypatch, lambda: shutil.rmtree(lake.root))
    failed = reasons(runner.day(NAMES))
    assert all("has not been captured: materialize it first" in reason for reason in failed.values()), failed
    gone = {name for name in NAMES if not lake.exists(partition(name))}
    assert len(gone - set(failed)) == 1, "what was deleted was recorded before"
    assert runner.day(NAMES).success
    assert all(lake.exists(partition(name)) for name in NAMES)


def test_a_lake_that_a_file_replaces_during_a_run_is_named_by_each_failure(
    defs: dg.Definitions, instance: dg.DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced() -> None:
        shutil.rmtree(lake.root)
        Path(lake.root).write_text("")

    at_the_first_commit(monkeypatch, replaced)
    failed = reasons(Runner(instance, defs).day(NAMES))
    assert len(failed) >= len(NAMES) - 2
    assert all("Not a directory" in reason and lake.root in reason for reason in failed.values()), failed


def at_the_first_commit(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Do something once, right after the first partition was stored."""
    commit = Lake.commit
    due = [do]

    def committed(self: Lake, *args: Any) -> str:
        location = commit(self, *args)
        if due:
            due.pop()()
        return location

    monkeypatch.setattr(Lake, "commit", committed)
