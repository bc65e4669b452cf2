"""A real daemon on a real instance: a backfill launched as Dagster's own pages launch it, run to its end."""

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.instance import prepare_home
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.sandbox import SandboxServer
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.conftest import WEBSITES, living_config, set_credentials

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
BACKFILL = "five-days"
ASSETS = ("visitors", "locations", "location_details")
PATIENCE_SECONDS = 800
_ENDED = {BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.COMPLETED_FAILED, BulkActionStatus.FAILED}

pytestmark = pytest.mark.slow


@pytest.fixture
def living_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A configuration whose sandbox goes by the machine's clock, as the daemon's processes do."""
    set_credentials(monkeypatch)
    with SandboxServer(WEBSITES) as server:
        path = tmp_path / "ignite.toml"
        path.write_text(living_config(server.url, 20, more="[schedule]\nenabled = false\n"))
        yield load_settings(path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return prepare_home(tmp_path / "dagster_home")


@pytest.fixture
def daemon(living_settings: Settings, home: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`dagster-daemon run`, with the processes it starts in a group of their own."""
    log = tmp_path / "daemon.log"
    environment = {**os.environ, "IGNITE_CONFIG": str(living_settings.path), "DAGSTER_HOME": str(home)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BIN / "dagster-daemon", "run", "-w", "workspace.yaml"],
            cwd=REPOSITORY,
            env=environment,
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


def backfill_of(settings: Settings, days: list[dt.date], instance: dg.DagsterInstance) -> PartitionBackfill:
    """A backfill of an asset selection: a job's backfill of several dimensions may leave holes."""
    graph = build_defs(settings).resolve_asset_graph()
    return PartitionBackfill.from_asset_partitions(
        asset_graph=graph,
        backfill_id=BACKFILL,
        tags={},
        backfill_timestamp=time.time(),
        asset_selection=[dg.AssetKey(name) for name in ASSETS],
        partition_names=[partition_key(day, site.key) for day in days for site in WEBSITES],
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )


def status_at_the_end(instance: dg.DagsterInstance, daemon: subprocess.Popen[bytes], log: Path) -> BulkActionStatus:
    """What became of the backfill, once it has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert daemon.poll() is None, log.read_text()[-4000:]
        backfill = instance.get_backfill(BACKFILL)
        assert backfill
        if backfill.status in _ENDED:
            return backfill.status
        time.sleep(1)
    pytest.fail(f"the backfill did not end: {log.read_text()[-4000:]}")


def test_a_backfill_of_five_days_and_three_websites_materializes_each_partition_once(
    living_settings: Settings, home: Path, daemon: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    yesterday = Horizon(living_settings.partitions.zone).yesterday()
    days = [yesterday - dt.timedelta(days=age) for age in range(4, -1, -1)]
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not instance.telemetry_enabled
        instance.add_backfill(backfill_of(living_settings, days, instance))
        assert status_at_the_end(instance, daemon, tmp_path / "daemon.log") is BulkActionStatus.COMPLETED_SUCCESS
        wanted = Counter(str(partition_key(day, site.key)) for day in days for site in WEBSITES)
        for name in ASSETS:
            records = instance.fetch_materializations(dg.AssetKey(name), limit=1000).records
            assert Counter(record.partition_key for record in records) == wanted
        runs = instance.get_runs()
        assert len(runs) == len(wanted)
        assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    lake = Lake(living_settings.root)
    for name in ASSETS:
        found = lake.partitions(name)
        assert Counter(str(partition_key(each.date, each.website)) for each in found) == wanted
        assert all(int(lake.footer(each)["ignite.rows"]) == len(lake.read([each])) for each in found)
