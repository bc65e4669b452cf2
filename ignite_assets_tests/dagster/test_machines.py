"""Processes of several machines that share a bucket and Dagster's records: two healers, a zombie beside its retry."""

import datetime as dt
import multiprocessing
import os
import signal
from collections import Counter
from multiprocessing.synchronize import Barrier
from pathlib import Path

import dagster as dg
import pytest

from ignite_assets.api.horizon import Horizon
from ignite_assets.config import load_settings
from ignite_assets.dagster.liveness import SILENT_LOOKS, Silence, give_up_lost_runs
from ignite_assets.sandbox import SandboxServer, frozen
from ignite_assets.sandbox.faults import Fault, SandboxCall
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.built import build_defs
from ignite_assets_tests.conftest import (
    ACME,
    LOOK_BACK,
    NOW,
    QUIET,
    YESTERDAY,
    Runner,
    config_text,
    days_ago,
    open_home,
)

pytestmark = pytest.mark.slow
FIRST = days_ago(2)
LATER = NOW + dt.timedelta(hours=1)
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def shared(config_file: Path, bucket: str, sandbox: SandboxServer) -> Lake:
    """The lake of one website and two days, on the bucket that the configuration names."""
    text = config_text(sandbox.url, [ACME], start=FIRST)
    config_file.write_text(text.replace('root = "lake"', f'root = "{bucket}/lake"'))
    return Lake(load_settings(config_file).root)


def heal(home: str, together: Barrier) -> None:
    """A healer's tick and its runs, at the same moment as another machine's."""
    defs = build_defs(load_settings(), now=frozen(NOW), retry_policy=None)
    repository = defs.get_repository_def()
    with open_home(Path(home)) as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=NOW, repository_def=repository)
        requests = repository.get_schedule_def("heal_schedule").evaluate_tick(context).run_requests or []
        assert requests
        together.wait(300)
        for request in requests:
            job = defs.resolve_job_def("heal").get_subset(asset_selection=set(request.asset_selection or []))
            done = job.execute_in_process(
                instance=instance,
                partition_key=request.partition_key,
                tags=dict(request.tags),
                run_config={**request.run_config, "loggers": QUIET},
                raise_on_error=False,
            )
            assert done.success


def test_two_healers_at_once_leave_each_day_whole_and_on_record(
    shared: Lake, instance: dg.DagsterInstance, sandbox: SandboxServer
) -> None:
    """Their runs come one after the other: the later captures the same days once more."""
    together = SPAWN.Barrier(2)
    healers = [SPAWN.Process(target=heal, args=(instance.root_directory, together)) for _ in range(2)]
    for each in healers:
        each.start()
    for each in healers:
        each.join(300)
    assert [each.exitcode for each in healers] == [0, 0]
    runner = Runner(instance, build_defs(load_settings(), now=frozen(NOW)))
    for name in LOOK_BACK:
        there = shared.partitions(name)
        assert [partition.date for partition in there] == [FIRST, YESTERDAY], name
        assert set(runner.recorded(name)) == {f"{day}|{ACME.key}" for day in (FIRST, YESTERDAY)}
        for partition in there:
            assert len(shared.read([partition])) == int(shared.footer(partition)["ignite.rows"]) > 0
    details = [request for request in sandbox.requests if request.endpoint == "location_details"]
    assert max(Counter(details).values()) <= 2


def capture(home: str) -> None:
    """Capture a day's visitors; exits with 3 where the run did not succeed."""
    defs = build_defs(load_settings(), now=frozen(NOW), retry_policy=None)
    with open_home(Path(home)) as instance:
        os._exit(0 if Runner(instance, defs).day(["visitors"]).success else 3)


def given_up(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """The runs of other machines that are given up, after as many looks as that takes."""
    silence: Silence = {}
    for _ in range(SILENT_LOOKS + 2):
        lost, silence = give_up_lost_runs(instance, Horizon(now=frozen(NOW)), silence=silence)
        if lost:
            return lost
    return []


def test_a_zombie_stores_nothing_once_its_retry_has_begun(
    shared: Lake, instance: dg.DagsterInstance, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod that stands still in the middle of its capture, is given up, and goes on after the retry has landed."""
    pod, stopped = SPAWN.Process(target=capture, args=(instance.root_directory,)), SPAWN.Event()
    strike = sandbox.faults.strike

    def freeze(call: SandboxCall) -> tuple[float, Fault | None]:
        os.kill(pod.pid or 0, signal.SIGSTOP)
        stopped.set()
        return strike(call)

    monkeypatch.setattr(sandbox.faults, "strike", freeze)
    pod.start()
    try:
        assert stopped.wait(120)
        monkeypatch.setattr(sandbox.faults, "strike", strike)
        (zombie,) = given_up(instance)
        sandbox.now = frozen(LATER)
        retry = build_defs(load_settings(), now=frozen(LATER), retry_policy=None)
        assert Runner(instance, retry).day(["visitors"]).success
        (partition,) = shared.partitions("visitors")
        landed = shared.footer(partition)
    finally:
        os.kill(pod.pid or 0, signal.SIGCONT)
        pod.join(300)
    assert pod.exitcode == 3
    assert partition.date == YESTERDAY
    assert shared.footer(partition) == landed
    recorded = instance.get_run_by_id(zombie.run_id)
    assert recorded
    assert recorded.status == dg.DagsterRunStatus.FAILURE
    assert Runner(instance, retry).recorded("visitors") == [f"{YESTERDAY}|{ACME.key}"]
