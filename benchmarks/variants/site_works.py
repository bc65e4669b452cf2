"""The nine assets' works of one website, one after the other, without Dagster."""

from benchmarks.task import Task
from benchmarks.variants.design import capture, client
from ignite_assets.api.endpoints import ENDPOINTS


def run(task: Task) -> None:
    """Capture and commit every endpoint's partition, with a client for each as its asset has."""
    for endpoint in ENDPOINTS:
        with client(task) as platform:
            capture(task, endpoint.name, platform)
