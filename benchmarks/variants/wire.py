"""The server and the loopback alone: bodies are received and dropped. Nothing is written, so nothing is compared."""

from benchmarks.task import AT_ONCE, Task
from benchmarks.wire import Connection, get_each


def run(task: Task) -> None:
    """Receive what the task needs."""
    if task.endpoint == "location_details":
        get_each(task.url, (f"/api/locations/{number}" for number in task.ids), AT_ONCE)
        return
    with Connection(task.url) as connection:
        connection.get(f"/api/{task.endpoint}")
