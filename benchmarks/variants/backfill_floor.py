"""The floor of sixty days' bodies: raw sockets, the cheapest parse, a closed Parquet file for each asset and day."""

import pyarrow.compute as pc

from benchmarks.task import AT_ONCE, Task, look_back_days
from benchmarks.variants import floor
from benchmarks.wire import Connection, get_each

_MEMBERS = {"audience_members": "audiences", "audience_group_members": "audience_groups"}


def run(task: Task) -> None:
    """Every look-back asset, one after the other."""
    days = look_back_days()
    dates = [f"&date={day}" for day in days]
    with Connection(task.url) as connection:
        for endpoint in ("visitors", "products", "locations"):
            for date in dates:
                body = connection.get(f"/api/{endpoint}", date)
                floor.write(floor.parsed(endpoint, [body]), task.folder / f"{endpoint}{date}.parquet")
    _details(task, dates)
    for endpoint, path in _MEMBERS.items():
        _members(task, endpoint, path, dates)


def _details(task: Task, dates: list[str]) -> None:
    """Each id once, for all the days that list it."""
    table = floor.parsed("location_details", floor.details(task))
    for age, date in enumerate(reversed(dates), start=1):
        shown = pc.less(table["id"], task.first_id + len(task.ids_of(age)))
        floor.write(table.filter(shown), task.folder / f"location_details{date}.parquet")


def _members(task: Task, endpoint: str, path: str, dates: list[str]) -> None:
    count = task.site.audiences if path == "audiences" else task.site.groups
    paths = [f"/api/{path}/{number}" for number in range(1, count + 1)]
    for date in dates:
        bodies = get_each(task.url, paths, AT_ONCE, date)
        tables = [floor.parsed(endpoint, [body]) for body in bodies]
        floor.write(floor.joined(tables), task.folder / f"{endpoint}{date}.parquet")
