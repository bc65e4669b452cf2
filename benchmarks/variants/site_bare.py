"""Nine assets that do nothing, with the same partitions and dependencies, run in the same way."""

import dagster as dg

from benchmarks.task import Task, yesterday
from benchmarks.variants.site_dagster import WEBSITE, configure, instance
from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.cli.runs.queue import QUIET
from ignite_assets.config import load_settings
from ignite_assets.dagster.partitions import build_partitions, partition_key


def run(task: Task) -> None:
    """Build nine trivial assets' definitions and execute their job for yesterday."""
    partitions = build_partitions(load_settings(configure(task)))
    assets = [
        _asset(
            endpoint.name, [endpoint.ids.endpoint] if endpoint.ids and endpoint.ids.from_partition else [], partitions
        )
        for endpoint in ENDPOINTS
    ]
    job = dg.Definitions(
        assets=assets, jobs=[dg.define_asset_job("nightly")], executor=dg.in_process_executor
    ).resolve_job_def("nightly")
    with instance(task.folder) as records:
        job.execute_in_process(instance=records, partition_key=partition_key(yesterday(), WEBSITE), run_config=QUIET)


def _asset(name: str, after: list[str], partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.asset(name=name, deps=after, partitions_def=partitions)
    def nothing() -> None:
        return None

    return nothing
