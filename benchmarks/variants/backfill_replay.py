"""The calls of a backfill over raw sockets, as many at a time, their bodies dropped: its latency alone."""

from benchmarks.task import AT_ONCE, Task, look_back_days
from benchmarks.wire import replay


def run(task: Task) -> None:
    """Every call that sixty days of the look-back assets need."""
    site = task.site
    windows = ["visitors", "products", "locations"]
    windows += [f"audiences/{number}" for number in range(1, site.audiences + 1)]
    windows += [f"audience_groups/{number}" for number in range(1, site.groups + 1)]
    calls = [(f"/api/{path}", f"&date={day}") for day in look_back_days() for path in windows]
    calls += [(f"/api/locations/{number}", "") for number in task.ids]
    calls += [("/api/audiences", ""), ("/api/audience_groups", "")]
    replay(task.url, calls, AT_ONCE)
