"""dlt as its documentation has it: the `rest_api` source, an endpoint a resource."""

from dlt.sources.rest_api import RESTAPIConfig, rest_api_source

from benchmarks.peers.dlt.settings import load
from benchmarks.task import Task

PARAMETERS = {"token": "benchmark", "secret": "benchmark", "algo": "sha2"}


def run(task: Task) -> None:
    """One endpoint through a pipeline."""
    config: RESTAPIConfig = {
        "client": {"base_url": task.url},
        "resources": [
            {
                "name": task.endpoint,
                "endpoint": {
                    "path": f"api/{task.endpoint}",
                    "params": PARAMETERS,
                    "paginator": "single_page",
                    "data_selector": "$",
                },
                "processing_steps": [{"map": as_record}] if task.endpoint == "visitors" else [],
            }
        ],
    }
    load(task, rest_api_source(config))


def as_record(value: object) -> object:
    """A hash as a record, which dlt wants."""
    return {"hashed_email": value} if isinstance(value, str) else value
