"""dlt, tuned, over sixty days: every window's bodies by parallel transformers, each location's details once."""

from collections.abc import Iterator

import dlt
import orjson
import pyarrow as pa
from dlt.extract.resource import DltResource

from benchmarks.peers.dlt.arrow import detail_tables, get
from benchmarks.peers.dlt.settings import load
from benchmarks.task import Task, look_back_days

_MEMBERS = {"audience_members": "audiences", "audience_group_members": "audience_groups"}


def run(task: Task) -> None:
    """Every look-back asset of every day through one pipeline."""
    whole = [_windows(task, endpoint) for endpoint in ("visitors", "products", "locations")]
    members = [_members(task, name, path) for name, path in _MEMBERS.items()]
    load(task, [*whole, *members, detail_tables(task)])


def _days(name: str) -> DltResource:
    @dlt.resource(name=name)
    def days() -> Iterator[list[str]]:
        for day in look_back_days():
            yield [day.isoformat()]

    return days()


def _windows(task: Task, endpoint: str) -> DltResource:
    @dlt.transformer(data_from=_days(f"{endpoint}_days"), name=endpoint, parallelized=True)
    def windows(days: list[str]) -> Iterator[pa.Table]:
        for day in days:
            answer = orjson.loads(get(f"{task.url}/api/{endpoint}", date=day))
            rows = [{"hashed_email": value} for value in answer] if endpoint == "visitors" else answer
            yield _dated(pa.Table.from_pylist(rows), day)

    return windows


def _members(task: Task, name: str, path: str) -> DltResource:
    count = task.site.audiences if path == "audiences" else task.site.groups

    @dlt.resource(name=f"{name}_calls")
    def calls() -> Iterator[list[tuple[str, int]]]:
        for day in look_back_days():
            yield [(day.isoformat(), number) for number in range(1, count + 1)]

    @dlt.transformer(data_from=calls, name=name, parallelized=True)
    def members(some: list[tuple[str, int]]) -> Iterator[pa.Table]:
        for day, number in some:
            hashes = orjson.loads(get(f"{task.url}/api/{path}/{number}", date=day))
            table = pa.table({"id": pa.array([number] * len(hashes)), "hashed_email": pa.array(hashes, pa.string())})
            yield _dated(table, day)

    return members


def _dated(table: pa.Table, day: str) -> pa.Table:
    return table.append_column("date", pa.array([day] * len(table), pa.string()))
