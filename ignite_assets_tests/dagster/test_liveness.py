"""Runs whose process died: given up, alerted of, and their days taken up again. No living run is."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest

from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings
from ignite_assets.dagster.automation.alerts import Ours, failed_partitions
from ignite_assets.dagster.automation.healing import under_way
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.instance import UNFINISHED
from ignite_assets.dagster.keys import PLAIN
from ignite_assets.dagster.liveness import PROCESS, SILENT_LOOKS, Process, Silence, give_up_lost_runs
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.sandbox import SandboxServer, frozen
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.conftest import ACME, NOW, YESTERDAY, Runner
from ignite_assets_tests.dagster.test_waiting import healer, sensor

HORIZON = Horizon(now=frozen(NOW))
KEY = f"{YESTERDAY}|{ACME.key}"
WAITS = [sys.executable, "-c", "import signal; signal.pause()"]


@pytest.fixture
def somebody() -> Iterator[subprocess.Popen[bytes]]:
    """Another process of this machine."""
    with subprocess.Popen(WAITS) as process:
        yield process
        process.kill()


@pytest.fixture
def dead() -> Process:
    """A process that was killed."""
    with subprocess.Popen(WAITS) as process:
        known = Process.of(process.pid)
        process.kill()
    return known


def tag(process: Process, *, beats: bool = True) -> str:
    return json.dumps({**dataclasses.asdict(process), "beats": beats})


def started(
    instance: dg.DagsterInstance, settings: Settings, process: Process | None, *, beats: bool = True
) -> dg.DagsterRun:
    """A run of a website's night that is on record as under way."""
    tags = {"dagster/partition": str(partition_key(YESTERDAY, ACME.key))}
    if process:
        tags[PROCESS] = tag(process, beats=beats)
    job = build_defs(settings, now=frozen(NOW)).resolve_job_def("nightly")
    return instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found.status


def test_a_process_is_gone_once_it_was_killed_and_not_while_it_is_stopped(somebody: subprocess.Popen[bytes]) -> None:
    process = Process.of(somebody.pid)
    somebody.send_signal(signal.SIGSTOP)
    assert not process.is_gone
    somebody.kill()
    os.waitid(os.P_PID, somebody.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and its parent hasn't noticed
    assert process.is_gone


def test_nothing_is_said_of_a_process_of_another_machine_container_or_boot(dead: Process) -> None:
    assert not Process.of(os.getpid()).is_gone
    assert dead.is_gone
    assert not dataclasses.replace(dead, boot="another").is_gone
    assert not dataclasses.replace(dead, namespace="pid:[1]").is_gone
    assert not dataclasses.replace(dead, boot="", namespace="", start="").is_gone


def test_a_run_whose_process_died_is_given_up_told_of_and_taken_up_again(
    instance: dg.DagsterInstance, settings: Settings, dead: Process
) -> None:
    run = started(instance, settings, dead)
    assert KEY in under_way(instance, settings.websites)

    (request,) = (r for r in sensor(instance, settings, NOW).run_requests or [] if r.partition_key == KEY)

    assert {"sales", "visitors"} <= {key.to_user_string() for key in request.asset_selection or []}
    ended = instance.get_run_by_id(run.run_id)
    assert ended
    assert ended.status == dg.DagsterRunStatus.FAILURE
    (trouble,) = failed_partitions(instance, ended, Ours(settings, PLAIN))
    assert trouble.website == ACME.key
    assert trouble.failure.reason.startswith(f"its process {dead.pid} on {dead.host} died, see run ")
    started(instance, settings, dead)
    again = sensor(instance, settings, NOW).run_requests or []
    assert {r.run_key for r in again if r.partition_key == KEY} == {request.run_key}, "Dagster starts it once a day"


def test_the_healer_gives_it_up_and_takes_its_day_as_well(
    instance: dg.DagsterInstance, settings: Settings, dead: Process
) -> None:
    start = settings.partitions.model_copy(update={"start_date": YESTERDAY})
    one = settings.model_copy(update={"websites": {ACME.key: settings.websites[ACME.key]}, "partitions": start})
    run = started(instance, one, Process.of(os.getpid()))
    assert healer(instance, one, NOW) == 0
    instance.add_run_tags(run.run_id, {PROCESS: tag(dead)})
    assert healer(instance, one, NOW) == 1
    assert status(instance, run) == dg.DagsterRunStatus.FAILURE


def test_a_run_that_was_being_stopped_when_its_process_died_ends_as_canceled(
    instance: dg.DagsterInstance, settings: Settings, dead: Process
) -> None:
    run = started(instance, settings, dead)
    instance.report_run_canceling(run)
    give_up_lost_runs(instance, HORIZON)
    assert status(instance, run) == dg.DagsterRunStatus.CANCELED


def test_a_run_of_another_machine_is_given_up_after_many_looks_that_hear_nothing(
    instance: dg.DagsterInstance, settings: Settings, dead: Process
) -> None:
    elsewhere = dataclasses.replace(dead, boot="another")
    run = started(instance, settings, elsewhere)
    others = [started(instance, settings, elsewhere, beats=False), started(instance, settings, None)]
    silence: Silence = {}

    def looks(number: int) -> None:
        nonlocal silence
        for _ in range(number):
            _, silence = give_up_lost_runs(instance, HORIZON, silence=silence)

    looks(SILENT_LOOKS)
    assert status(instance, run) == dg.DagsterRunStatus.STARTED
    instance.report_engine_event("The run goes on.", run)
    looks(SILENT_LOOKS)
    give_up_lost_runs(instance, HORIZON)
    assert status(instance, run) == dg.DagsterRunStatus.STARTED
    looks(1)
    assert status(instance, run) == dg.DagsterRunStatus.FAILURE
    assert {status(instance, other) for other in others} == {dg.DagsterRunStatus.STARTED}, "may be alive and silent"


def test_the_sensor_remembers_what_it_has_heard(
    instance: dg.DagsterInstance, settings: Settings, dead: Process
) -> None:
    run = started(instance, settings, dataclasses.replace(dead, boot="another"))
    cursor = sensor(instance, settings, NOW).cursor
    assert cursor
    assert [looks for _, looks in [json.loads(cursor)[run.run_id]]] == [0]


def test_a_run_that_others_have_taken_over_stores_nothing_more(
    runner: Runner, sandbox: SandboxServer, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.day(["products"])
    before = lake.footer(lake.partitions("products")[0])
    instance, strike = runner.instance, sandbox.faults.strike

    def given_up_meanwhile(call: object) -> object:
        for run in instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED))):
            instance.report_run_failed(run, "given up")
        return strike(call)  # type: ignore[arg-type]

    monkeypatch.setattr(sandbox.faults, "strike", given_up_meanwhile)
    assert not runner.day(["visitors", "products"]).success
    assert lake.partitions("visitors") == []
    assert lake.footer(lake.partitions("products")[0]) == before
    assert len(sandbox.requests) == 2, "no further step has asked for anything"


def test_a_run_is_tagged_with_its_process(runner: Runner) -> None:
    runner.day(["visitors"])
    (run,) = runner.instance.get_runs()
    assert run.tags[PROCESS] == tag(Process.of(os.getpid()))
