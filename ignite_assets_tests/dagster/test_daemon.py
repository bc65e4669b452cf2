"""A real daemon on a real instance: a backfill launched as Dagster's own pages launch it, run to its end."""

import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.instance import prepare_home
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.conftest import ACME, BAYSIDE, WEBSITES, living_config, set_credentials

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
BACKFILL = "five-days"
ASSETS = ("visitors", "locations", "location_details")
PATIENCE_SECONDS = 800
_ENDS = {
    "sound": {AssetCheckExecutionRecordStatus.SUCCEEDED},
    "usual": {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED},
}
_ENDED = {BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.COMPLETED_FAILED, BulkActionStatus.FAILED}

pytestmark = pytest.mark.slow


@pytest.fixture
def platform() -> Iterator[SandboxServer]:
    """A sandbox that goes by the machine's clock, as the daemon's processes do."""
    with SandboxServer(WEBSITES) as server:
        yield server


@pytest.fixture
def living_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: SandboxServer) -> Settings:
    """A configuration of the sandbox."""
    set_credentials(monkeypatch)
    path = tmp_path / "ignite.toml"
    path.write_text(living_config(platform.url, 20, more="[schedule]\nenabled = false\n"))
    return load_settings(path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return prepare_home(tmp_path / "dagster_home")


@contextlib.contextmanager
def running(location: Sequence[str], home: Path, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`dagster-daemon run` over a code location, with the processes it starts in a group of their own."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BIN / "dagster-daemon", "run", *location],
            cwd=REPOSITORY,
            env={**os.environ, "DAGSTER_HOME": str(home), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def daemon(living_settings: Settings, home: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    workspace, log = ("-w", "workspace.yaml"), tmp_path / "daemon.log"
    with running(workspace, home, log, IGNITE_CONFIG=str(living_settings.path)) as process:
        yield process


def backfill_of(
    defs: dg.Definitions, assets: Sequence[dg.AssetKey], keys: Sequence[str], instance: dg.DagsterInstance
) -> PartitionBackfill:
    """A backfill of an asset selection: a job's backfill of several dimensions may leave holes."""
    graph = defs.resolve_asset_graph()
    return PartitionBackfill.from_asset_partitions(
        asset_graph=graph,
        backfill_id=BACKFILL,
        tags={},
        backfill_timestamp=time.time(),
        asset_selection=list(assets),
        partition_names=list(keys),
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )


def until(
    condition: Callable[[], object], daemon: subprocess.Popen[bytes], log: Path, seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait for something that the daemon brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert daemon.poll() is None, log.read_text()[-4000:]
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(1)


def status_at_the_end(instance: dg.DagsterInstance, daemon: subprocess.Popen[bytes], log: Path) -> BulkActionStatus:
    """What became of the backfill, once it has ended."""

    def status() -> BulkActionStatus:
        backfill = instance.get_backfill(BACKFILL)
        assert backfill
        return backfill.status

    until(lambda: status() in _ENDED, daemon, log)
    return status()


def test_a_backfill_makes_a_run_a_website_and_a_date_that_fails_costs_only_itself_and_its_details(
    living_settings: Settings,
    home: Path,
    daemon: subprocess.Popen[bytes],
    tmp_path: Path,
    platform: SandboxServer,
) -> None:
    platform.faults.add(Fault(endpoint="locations", website=ACME.key, status=400, times=1))
    yesterday = Horizon(living_settings.partitions.zone).yesterday()
    days = [yesterday - dt.timedelta(days=age) for age in range(4, -1, -1)]
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not instance.telemetry_enabled
        keys = [partition_key(day, site.key) for day in days for site in WEBSITES]
        assets = [dg.AssetKey(name) for name in ASSETS]
        instance.add_backfill(backfill_of(build_defs(living_settings), assets, keys, instance))
        assert status_at_the_end(instance, daemon, tmp_path / "daemon.log") is BulkActionStatus.COMPLETED_FAILED
        recorded = {
            name: Counter(
                r.partition_key for r in instance.fetch_materializations(dg.AssetKey(name), limit=1000).records
            )
            for name in ASSETS
        }
        assert recorded["visitors"] == Counter(map(str, keys))
        (failed,) = recorded["visitors"] - recorded["locations"]
        assert str(failed).endswith(ACME.key)
        assert recorded["locations"] == recorded["location_details"] == recorded["visitors"] - Counter([failed])
        runs = instance.get_runs()
        assert len(runs) <= 2 * len(WEBSITES) + 1  # the failed date may part the days of its website
        assert [run.status for run in runs].count(dg.DagsterRunStatus.FAILURE) == 1
        for name in ASSETS:
            for check, ends in _ENDS.items():
                evaluated = instance.event_log_storage.get_asset_check_partition_info(
                    [dg.AssetCheckKey(dg.AssetKey(name), check)]
                )
                stands = {info.partition_key: info.latest_execution_status for info in evaluated}
                assert {stands[key] for key in recorded[name]} <= ends
                assert all(info.is_current for info in evaluated if info.partition_key in recorded[name])
    lake = Lake(living_settings.root)
    for name in ASSETS:
        found = lake.partitions(name)
        assert {str(partition_key(each.date, each.website)) for each in found} == set(recorded[name])
        assert all(int(lake.footer(each)["ignite.rows"]) == len(lake.read([each])) for each in found)


def test_submitted_runs_are_the_daemons_and_are_followed_with_what_they_left_out(
    living_settings: Settings, home: Path, daemon: subprocess.Popen[bytes], tmp_path: Path, platform: SandboxServer
) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        until(instance.get_daemon_heartbeats, daemon, tmp_path / "daemon.log")
    (living_settings.path.parent / "workspace.yaml").write_text((REPOSITORY / "workspace.yaml").read_text())
    platform.faults.add(Fault(endpoint="locations", website=ACME.key, status=400, times=1))
    first = Horizon(living_settings.partitions.zone).yesterday() - dt.timedelta(days=2)
    chosen = ["--website", f"{ACME.key},{BAYSIDE.key}", "--select", "locations,location_details", "--captures-only"]
    done = subprocess.run(
        [BIN / "ignite-assets", "materialize", "--submit", "--json", "--from", str(first), *chosen],
        env={**os.environ, "DAGSTER_HOME": str(home), "IGNITE_CONFIG": str(living_settings.path)},
        cwd=living_settings.path.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    partitions = json.loads(done.stdout)["partitions"]
    told = Counter((each["website"], each["asset"], each["status"]) for each in partitions)
    landed = {(ACME.key, asset): 2 for asset in ("locations", "location_details")}
    assert told == {
        **{(*each, "materialized"): count for each, count in landed.items()},
        **{(*each, "failed"): 1 for each in landed},
        **{(BAYSIDE.key, asset, "materialized"): 3 for asset in ("locations", "location_details")},
    }
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runs = instance.get_runs()
        assert {run.job_name for run in runs} == {"materialize"}
        assert {run.tags["ignite/website"] for run in runs} == {ACME.key, BAYSIDE.key}
        assert all(run.remote_job_origin for run in runs)  # launched by the daemon


TWO_LAKES = """
import dagster as dg
import ignite_assets as ia

@dg.asset
def products(): ...

@dg.job
def nightly(): ...

defs = dg.Definitions.merge(
    dg.Definitions(assets=[products], jobs=[nightly], resources={{"ignite": 1}}),
    *(ia.build_defs(ia.load_settings(path)) for path in {paths}),
)
"""
EXPORTED = """
[[exports]]
name = "everyone"
source = "visitors"
destination = "plain_list"
window_days = 1
[opt_outs]
inbox = "inbox"
"""


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
def test_two_lakes_of_one_code_location_capture_export_and_take_opt_outs_each_by_itself(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_credentials(monkeypatch)
    with SandboxServer(WEBSITES) as server, dg.DagsterInstance.from_config(str(home)) as instance:
        lakes = {name: tmp_path / name for name in ("east", "west")}
        for name, folder in lakes.items():
            (folder / "inbox" / ACME.key).mkdir(parents=True)
            names = f'[dagster]\nkey_prefix = "{name}"\n'
            (folder / "ignite.toml").write_text(living_config(server.url, 3, more=EXPORTED + names))
        location = tmp_path / "two_lakes.py"
        paths = [str(folder / "ignite.toml") for folder in lakes.values()]
        location.write_text(TWO_LAKES.format(paths=paths))
        settings = [load_settings(path) for path in paths]
        defs = dg.Definitions.merge(*map(build_defs, settings))
        key = partition_key(Horizon(settings[0].partitions.zone).yesterday(), ACME.key)
        assets = [dg.AssetKey([name, "visitors"]) for name in lakes]
        log = tmp_path / "daemon.log"
        with running(("-f", str(location)), home, log) as daemon:
            instance.add_backfill(backfill_of(defs, assets, [key], instance))
            (lakes["east"] / "inbox" / ACME.key / "gone.txt").write_text("ann@example.com\n")
            exported = [dg.AssetKey([name, "audience_exports"]) for name in lakes]
            until(lambda: all(instance.get_materialized_partitions(each) == {key} for each in exported), daemon, log)

            def submitted() -> Sequence[dg.DagsterRun]:
                return instance.get_runs(dg.RunsFilter(job_name="east_submit_opt_outs"))

            until(lambda: submitted() and all(run.is_finished for run in submitted()), daemon, log)
        jobs = Counter(run.job_name for run in instance.get_runs())
        assert {run.status for run in submitted()} == {dg.DagsterRunStatus.SUCCESS}
        assert jobs.keys() >= {"east_export_audiences", "west_export_audiences", "east_submit_opt_outs"}
        assert "west_submit_opt_outs" not in jobs
        for each, folder in zip(settings, lakes.values(), strict=True):
            assert [name for name in Lake(each.root).folders() if not name.startswith("_")] == ["visitors"]
            assert len(list(folder.glob("exports/everyone/*/manifest.json"))) == 1
        assert not list((lakes["east"] / "inbox" / ACME.key).glob("gone.txt"))
