"""dlt's `rest_api` source over sixty days: a resource for each endpoint and day, members and details by their lists."""

from typing import Any

from dlt.sources.rest_api import RESTAPIConfig, rest_api_source

from benchmarks.peers.dlt.rest import PARAMETERS, as_record
from benchmarks.peers.dlt.settings import load
from benchmarks.task import Task, look_back_days

_MEMBERS = {"audience_members": "audiences", "audience_group_members": "audience_groups"}


def run(task: Task) -> None:
    """Every look-back asset of every day through one pipeline; each location's details once."""
    days = [day.isoformat() for day in look_back_days()]
    resources = [_resource(name, f"api/{name}", day) for name in ("visitors", "products", "locations") for day in days]
    for name, path in _MEMBERS.items():
        resources.append(_resource(path, f"api/{path}", None))
        resources += [_resource(name, f"api/{path}/{{resources.{path}.id}}", day) for day in days]
    oldest = _name("locations", days[0])
    resources.append(_resource("location_details", f"api/locations/{{resources.{oldest}.id}}", None))
    config: RESTAPIConfig = {"client": {"base_url": task.url}, "resources": resources}
    load(task, rest_api_source(config))


def _name(table: str, day: str | None) -> str:
    return table if day is None else f"{table}_{day.replace('-', '_')}"


def _resource(table: str, path: str, day: str | None) -> Any:
    parameters = PARAMETERS if day is None else {**PARAMETERS, "date": day}
    endpoint = {"path": path, "params": parameters, "paginator": "single_page", "data_selector": "$"}
    hashes = table == "visitors" or table in _MEMBERS
    return {
        "name": _name(table, day),
        "table_name": table,
        "parallelized": True,
        "endpoint": endpoint,
        "processing_steps": [{"map": as_record}] if hashes else [],
    }
