"""Runs in processes of their own: one that dies costs its own website's partitions, and nobody else's."""

import datetime as dt
import multiprocessing
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import dagster as dg
import pytest

from ignite_assets.api.horizon import Horizon, utc_now
from ignite_assets.cli.runs.execution import Launcher, execute, execute_run, launcher
from ignite_assets.cli.runs.plan import PartitionResult, plan
from ignite_assets.cli.runs.workers import Workers
from ignite_assets.config import load_settings
from ignite_assets.dagster.instance import DAGSTER_YAML, open_instance
from ignite_assets.dagster.website_runs import WebsiteRun
from ignite_assets.sandbox import Fault, SandboxServer

KEYS = ("acme-honda", "bayside-kia", "summit-ford")
ASSETS = ("visitors", "products", "sales")


@pytest.fixture
def kept_instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    with open_instance(tmp_path / "home") as instance:
        yield instance


@pytest.fixture
def launched(kept_instance: dg.DagsterInstance, config_file: Path) -> Iterator[Launcher]:
    with Workers(execute_run, 4) as workers:
        yield Launcher(config_file, kept_instance, workers)


@pytest.mark.slow
def test_a_process_that_is_killed_fails_its_partitions_and_its_run_alone(
    launched: Launcher, kept_instance: dg.DagsterInstance, sandbox: SandboxServer
) -> None:
    sandbox.now = utc_now  # the runs are executed at the real time
    sandbox.faults.add(Fault(website="acme-honda", endpoint="visitors", delay=60))
    horizon = Horizon()

    def kill_acme(result: PartitionResult) -> None:
        if (result.website, result.asset) == ("acme-honda", "products"):
            min(multiprocessing.active_children(), key=started).kill()

    def started(child: BaseProcess) -> int:
        return int(child.name.rpartition("-")[2])  # as a number: "SpawnProcess-10" is not before "SpawnProcess-9"

    results = execute(
        plan([horizon.yesterday()], KEYS, ASSETS, horizon, named=False).runs,
        launched,
        on_result=kill_acme,
    )

    failed = {result.asset: result.error for result in results if result.status == "failed"}
    assert {result.website for result in results if result.status == "failed"} == {"acme-honda"}
    assert failed["visitors"] == "the process of the run was killed by SIGKILL"
    assert len(results) == len(ASSETS) * len(KEYS)
    runs = {run.tags["dagster/partition/website"]: run for run in kept_instance.get_runs()}
    assert len(runs) == len(KEYS)  # the dead one was not tried again
    assert {website: run.status.value for website, run in runs.items()} == {
        "acme-honda": "FAILURE",
        "bayside-kia": "SUCCESS",
        "summit-ford": "SUCCESS",
    }


@pytest.mark.slow
def test_a_ranged_run_records_what_landed_and_whether_it_is_sound(
    launched: Launcher, kept_instance: dg.DagsterInstance, sandbox: SandboxServer
) -> None:
    sandbox.now = utc_now
    sandbox.faults.add(Fault(website="acme-honda", endpoint="products", status=404, times=1))
    yesterday = Horizon().yesterday()
    days = tuple(yesterday - dt.timedelta(days=age) for age in (2, 1, 0))

    results = execute(
        [WebsiteRun("acme-honda", days, ("visitors", "products"))],
        launched,
        on_result=lambda _: None,
    )

    landed = {
        result.asset: [r for r in results if r.asset == result.asset and r.rows is not None] for result in results
    }
    assert {asset: len(good) for asset, good in landed.items()} == {"visitors": 3, "products": 2}
    for asset, good in landed.items():
        recorded = kept_instance.fetch_materializations(dg.AssetKey(asset), limit=10).records
        facts = [(each.partition_key, each.asset_materialization) for each in recorded]
        assert sorted((str(key), told.metadata["path"].value) for key, told in facts if told) == sorted(
            (f"{result.date}|acme-honda", result.path) for result in good
        )
    (run,) = kept_instance.get_runs()
    for asset, good in landed.items():
        key = dg.AssetCheckKey(dg.AssetKey(asset), "sound")
        found = kept_instance.event_log_storage.get_asset_check_partition_info([key])
        assert {each.partition_key: (each.latest_execution_status.value, each.is_current) for each in found} == {
            f"{result.date}|acme-honda": ("SUCCEEDED", True) for result in good
        }
        assert all(result.is_sound for result in good)
    planned = kept_instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    events = [(event.asset_key, event.partition) for entry in planned if (event := entry.dagster_event)]
    assert [key for key, partition in events if partition is None] == [dg.AssetKey(asset) for asset in landed]
    (failed,) = set(days) - {result.date for result in landed["products"]}
    assert [each for each in events if each[1]] == [(dg.AssetKey("products"), f"{failed}|acme-honda")]


def act(task: str) -> None:
    """What the workers below do."""
    match task:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "leave":
            os._exit(3)
        case "raise":
            raise ValueError("a secret")


@pytest.mark.slow
def test_workers_outlive_the_death_of_one_and_never_repeat_a_task() -> None:
    tasks = ["fine", "die", "leave", "raise", "also fine"]
    ended: dict[str, str | None] = {}
    with Workers(act, 2) as workers:
        waiting = list(tasks)
        while len(ended) < len(tasks):
            while waiting and workers.has_room:
                workers.begin(waiting.pop(0))
            for end in workers.wait(30):
                assert end.task not in ended
                ended[end.task] = end.failure.text if end.failure else None

    assert ended == {
        "fine": None,
        "die": "the process of the run was killed by SIGKILL",
        "leave": "the process of the run ended with status 3",
        "raise": "ValueError",
        "also fine": None,
    }
    assert multiprocessing.active_children() == []


OWNER = """
import multiprocessing, signal
from ignite_assets.cli.runs.workers import Workers
workers = Workers(print, 2)
workers.get_ready(3)
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere they are started anew")
def test_workers_of_a_process_without_threads_are_forks_and_end_with_it() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        commands = {Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (owner.pid, *pids)}
        ends = [os.pidfd_open(pid) for pid in pids]
        owner.kill()

    assert len(pids) == 2
    assert len(commands) == 1  # and so no other interpreter
    for end in ends:
        assert select.select([end], [], [], 60)[0]
        os.close(end)


@pytest.mark.parametrize(("configured", "most"), [("", 3), ("[dagster]\nmax_concurrent_runs = 2\n", 2)])
def test_as_many_runs_go_on_at_once_as_is_configured_or_else_as_the_instance_allows(
    config_file: Path, home: Path, monkeypatch: pytest.MonkeyPatch, configured: str, most: int
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    (home / "dagster.yaml").write_text(DAGSTER_YAML.replace("max_concurrent_runs: 4", "max_concurrent_runs: 3"))
    config_file.write_text(config_file.read_text() + configured)

    with launcher(load_settings(config_file)) as opened:
        assert isinstance(opened.workers, Workers)
        assert opened.workers.most == most


def test_a_run_whose_configuration_is_gone_fails_with_the_reason(
    launched: Launcher, kept_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    results = execute(
        [WebsiteRun("acme-honda", (Horizon().yesterday(),), ("visitors",))],
        replace(launched, config=tmp_path / "gone.toml"),
        on_result=lambda _: None,
    )

    assert [result.status for result in results] == ["failed"]
    assert "there is no such file" in (results[0].error or "")
    assert kept_instance.get_runs() == []
