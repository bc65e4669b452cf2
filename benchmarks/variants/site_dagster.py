"""The nine assets of one website through Dagster: the nightly job, one run in this process, records kept in files."""

import os
from pathlib import Path

import dagster as dg

from benchmarks.task import LOOK_BACK, Task, yesterday
from ignite_assets.build import build_defs
from ignite_assets.config import load_settings
from ignite_assets.partitions import partition_key

WEBSITE = "benchmark"


def run(task: Task) -> None:
    """Build the definitions and execute the nightly job for yesterday."""
    config = configure(task)
    job = build_defs(load_settings(config), derived=(), retry_policy=None).resolve_job_def("nightly")
    with instance(task.folder) as records:
        result = job.execute_in_process(
            instance=records, partition_key=partition_key(yesterday(), WEBSITE), run_config=QUIET
        )
    assert result.success


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def configure(task: Task) -> Path:
    """An `ignite.toml` for the task's website."""
    os.environ["BENCHMARK_TOKEN"] = os.environ["BENCHMARK_SECRET"] = "benchmark"
    path = task.folder / "ignite.toml"
    path.write_text(
        f'platform.base_url = "{task.url}"\n'
        f'partitions.start_date = "{yesterday() - 2 * LOOK_BACK}"\n'
        f'storage.root = "{task.folder}"\n'
        f'[websites.{WEBSITE}]\ntoken_env = "BENCHMARK_TOKEN"\nsecret_env = "BENCHMARK_SECRET"\n'
    )
    return path


def instance(folder: Path) -> dg.DagsterInstance:
    """An instance that keeps its records below the folder."""
    home = folder / "dagster_home"
    home.mkdir()
    return dg.DagsterInstance.local_temp(str(home), overrides={"telemetry": {"enabled": False}})
