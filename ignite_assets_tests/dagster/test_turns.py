"""Runs over one website come one after another: which websites a run may ask, by the instance's records."""

from collections.abc import Mapping

import dagster as dg
import pytest

from ignite_assets.dagster.partitions import partition_key
from ignite_assets.dagster.private import PARTITION, RANGE_END, RANGE_START
from ignite_assets.sandbox import SandboxServer
from ignite_assets_tests.conftest import ACME, BAYSIDE, SUMMIT, YESTERDAY, Runner, days_ago

ONE = {PARTITION: str(partition_key(YESTERDAY, BAYSIDE.key))}
SEVERAL = {
    RANGE_START: str(partition_key(days_ago(9), ACME.key)),
    RANGE_END: str(partition_key(days_ago(8), SUMMIT.key)),
}


def begun(runner: Runner, tags: Mapping[str, str], asset: str = "visitors") -> dg.DagsterRun:
    """A run that another process is at."""
    job = runner.defs.resolve_job_def("nightly")
    keys = frozenset([dg.AssetKey(asset)])
    run = runner.instance.create_run_for_job(job, tags=dict(tags), asset_selection=keys)
    start = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
    runner.instance.report_dagster_event(start, run_id=run.run_id)
    return run


@pytest.mark.parametrize("tags", [ONE, SEVERAL], ids=["one partition", "a range of several websites"])
def test_a_run_waits_for_one_that_began_before_and_asks_other_websites_meanwhile(
    runner: Runner, sandbox: SandboxServer, tags: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = begun(runner, tags)
    asked: list[str | None] = []

    def end(_: float) -> None:
        asked.extend(request.website for request in sandbox.requests)
        runner.instance.report_run_canceled(other)

    monkeypatch.setattr("ignite_assets.dagster.turns.time.sleep", end)
    assert runner.days(["visitors"], YESTERDAY, YESTERDAY, last_website=SUMMIT.key).success
    assert asked == ([] if tags is SEVERAL else [ACME.key, SUMMIT.key])
    assert [request.website for request in sandbox.requests][len(asked) :] == (
        [ACME.key, BAYSIDE.key, SUMMIT.key] if tags is SEVERAL else [BAYSIDE.key]
    )


@pytest.mark.parametrize(
    ("tags", "asset"),
    [({PARTITION: str(partition_key(YESTERDAY, SUMMIT.key))}, "visitors"), (ONE, "visitor_recency")],
    ids=["of another website", "that asks for nothing"],
)
def test_a_run_does_not_wait_for_one(runner: Runner, tags: Mapping[str, str], asset: str) -> None:
    begun(runner, tags, asset)
    assert runner.day(["visitors"], website=BAYSIDE.key).success
