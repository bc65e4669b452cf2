"""dlt, tuned: a resource that yields Arrow tables, parsed with orjson and pyarrow; details by parallel resources."""

from collections.abc import Iterator

import dlt
import orjson
import pyarrow as pa
import requests
from dlt.extract.resource import DltResource

from benchmarks.peers.dlt.settings import load
from benchmarks.task import Task

_PARAMETERS = {"token": "benchmark", "secret": "benchmark", "algo": "sha2"}
_SESSION = requests.Session()
_SESSION.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))


def run(task: Task) -> None:
    """One endpoint through a pipeline."""
    load(task, detail_tables(task) if task.endpoint == "location_details" else _whole(task))


def _whole(task: Task) -> DltResource:
    @dlt.resource(name=task.endpoint)
    def rows() -> Iterator[pa.Table]:
        answer = orjson.loads(get(f"{task.url}/api/{task.endpoint}"))
        if task.endpoint == "visitors":
            yield pa.table({"hashed_email": pa.array(answer, pa.string())})
        else:
            yield pa.Table.from_pylist(answer)

    return rows()


def detail_tables(task: Task) -> DltResource:
    """The details of the task's locations, eight calls a step, the steps side by side."""

    @dlt.resource(name="ids")
    def ids() -> Iterator[list[int]]:
        for start in range(0, len(task.ids), 8):
            yield task.ids[start : start + 8]

    @dlt.transformer(data_from=ids, name="location_details", parallelized=True)
    def details(some: list[int]) -> Iterator[pa.Table]:
        yield pa.Table.from_pylist([_detail(get(f"{task.url}/api/locations/{number}")) for number in some])

    return details


def _detail(body: bytes) -> dict[str, object]:
    record: dict[str, object] = orjson.loads(body)
    summary = record.pop("summary")
    assert isinstance(summary, dict)
    return {**record, **summary, "pages": orjson.dumps(record["pages"]).decode()}


def get(url: str, **more: str) -> bytes:
    """The body of an answer."""
    response = _SESSION.get(url, params={**_PARAMETERS, **more}, timeout=60)
    response.raise_for_status()
    return response.content
