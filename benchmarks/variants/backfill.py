"""Sixty days of one website's look-back assets: the one ranged run that `ignite-assets materialize` makes of them."""

import os

from benchmarks.task import Task, look_back_days
from benchmarks.variants.site_dagster import WEBSITE, configure
from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.execution import _execute_run, _Order
from ignite_assets.instance import prepare_home
from ignite_assets.runs import WebsiteRun


def run(task: Task) -> None:
    """The run, in this process."""
    os.environ["DAGSTER_HOME"] = str(prepare_home(task.folder / "dagster_home"))
    assets = tuple(endpoint.name for endpoint in ENDPOINTS if endpoint.history == "look_back")
    run = WebsiteRun(WEBSITE, tuple(look_back_days()), assets)
    _execute_run(_Order(str(configure(task)), "00000000-0000-0000-0000-000000000001", run))
    landed = sum(1 for asset in assets for _ in (task.folder / asset).rglob("*.parquet"))
    assert landed == len(run.partitions), f"{landed} of {len(run.partitions)} partitions landed"
