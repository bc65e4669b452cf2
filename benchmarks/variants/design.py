"""The package, as its assets use it: capture, then commit to a lake on this machine."""

import datetime as dt

from benchmarks.task import Task, yesterday
from ignite_assets.api.client import IgniteClient
from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.api.protocol import Credentials
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.capture import Capture

BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
WEBSITE = "benchmark"


def run(task: Task) -> None:
    """One endpoint's partition."""
    with client(task) as platform:
        capture(task, task.endpoint, platform)


def client(task: Task) -> IgniteClient:
    """A client for the task's website."""
    return IgniteClient(website=WEBSITE, base_url=task.url, credentials=Credentials("benchmark", "benchmark"))


def capture(task: Task, endpoint: str, platform: IgniteClient, day: dt.date | None = None) -> None:
    """Capture a day's partition of an endpoint, yesterday's unless named, and commit it."""
    day = day or yesterday()
    ids = {day: task.ids} if endpoint == "location_details" else None
    snapshot = Capture(platform, BY_NAME[endpoint], ids=ids).one(day)
    with snapshot.staged.file as file:
        Lake(str(task.folder)).commit(Partition(endpoint, WEBSITE, day), file)
