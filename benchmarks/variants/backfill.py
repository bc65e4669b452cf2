"""Sixty days of one website's look-back assets: the one ranged run that `ignite-assets materialize` makes of them."""

from benchmarks.task import Task, look_back_days
from benchmarks.variants.site_dagster import materialize
from ignite_assets.api.endpoints import ENDPOINTS


def run(task: Task) -> None:
    """The run, in this process."""
    assets = [endpoint.name for endpoint in ENDPOINTS if endpoint.history == "look_back"]
    materialize(task, look_back_days(), assets)
