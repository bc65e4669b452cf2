"""The nine assets of one website through Dagster: the run that `ignite-assets materialize` makes, in this process."""

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from benchmarks.task import LOOK_BACK, Task, yesterday
from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.cli.runs.execution import execute_run
from ignite_assets.cli.runs.queue import Order
from ignite_assets.dagster.instance import prepare_home
from ignite_assets.dagster.website_runs import WebsiteRun

WEBSITE = "benchmark"


def run(task: Task) -> None:
    """Yesterday of every endpoint."""
    materialize(task, [yesterday()], [endpoint.name for endpoint in ENDPOINTS])


def materialize(task: Task, days: Sequence[dt.date], assets: Sequence[str]) -> None:
    """One run, its records kept in files below the task's folder."""
    os.environ["DAGSTER_HOME"] = str(prepare_home(task.folder / "dagster_home"))
    run = WebsiteRun(WEBSITE, tuple(days), tuple(assets))
    execute_run(Order(str(configure(task)), "00000000-0000-0000-0000-000000000001", run))
    landed = sum(1 for asset in assets for _ in (task.folder / "lake" / asset).rglob("*.parquet"))
    assert landed == len(run.partitions), f"{landed} of {len(run.partitions)} partitions landed"


def configure(task: Task, *, websites: int = 1) -> Path:
    """An `ignite.toml` for the task's website, or for so many that are alike."""
    os.environ["BENCHMARK_TOKEN"] = os.environ["BENCHMARK_SECRET"] = "benchmark"
    path = task.folder / "ignite.toml"
    path.write_text(
        f'platform.base_url = "{task.url}"\n'
        f'partitions.start_date = "{yesterday() - 2 * LOOK_BACK}"\n'
        f'storage.root = "{task.folder / "lake"}"\n'
        + "".join(
            f'[websites.{website}]\ntoken_env = "BENCHMARK_TOKEN"\nsecret_env = "BENCHMARK_SECRET"\n'
            for website in [WEBSITE, *(f"{WEBSITE}-{number}" for number in range(2, websites + 1))]
        )
    )
    return path


def instance(folder: Path) -> dg.DagsterInstance:
    """An instance that keeps its records below the folder."""
    home = folder / "dagster_home"
    home.mkdir()
    return dg.DagsterInstance.local_temp(str(home), overrides={"telemetry": {"enabled": False}})
