"""What the windows of several days share: the rows of the days before each, read once. No Dagster."""

import datetime as dt
from collections.abc import Mapping, Sequence

from ignite_assets.storage.duck import IN_PATH, Workspace, no_rows, quoted
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.row import Input


class Past:
    """One input's rows, for one day after another: each distinct row of earlier days once, at the newest of them.

    What left the window is forgotten, so that it holds no more than one window does.
    """

    def __init__(self, workspace: Workspace, lake: Lake, website: str, of: Input, types: Mapping[str, str]) -> None:
        self._workspace, self._lake, self._website, self._of = workspace, lake, website, of
        self._types = types
        self._taken: set[dt.date] = set()
        self._table, self._new = f"past_{of.asset}", f"new_{of.asset}"
        self._names = ", ".join(map(quoted, of.columns))
        workspace.table(self._table, no_rows({**types, "date": IN_PATH["date"]}))

    def name_rows(self, day: dt.date, days: Sequence[dt.date]) -> None:
        """Name the input's rows for a day after all that were asked for; `days`: those that are read, in order."""
        earlier = [each for each in days if each < day]
        self._take([each for each in earlier if each not in self._taken], since=days[0])
        self._view(self._new, [day] if day in days else [])
        rows = f"FROM {self._table} WHERE date >= DATE '{days[0]}' UNION ALL BY NAME FROM {self._new}"
        self._workspace.name(self._of.asset, rows)

    def _take(self, days: Sequence[dt.date], *, since: dt.date) -> None:
        """Add the rows of days, and drop those of days before `since`."""
        if not days:
            return
        self._view(self._new, days)
        rows = f"FROM {self._table} WHERE date >= DATE '{since}' UNION ALL BY NAME FROM {self._new}"
        self._workspace.table(
            self._table,
            f"SELECT {self._names}, max(date) AS date FROM ({rows}) GROUP BY {self._names}",  # noqa: S608 - quoted
        )
        self._taken.update(days)

    def _view(self, name: str, days: Sequence[dt.date]) -> None:
        partitions = [Partition(self._of.asset, self._website, day) for day in days]
        self._workspace.view_partitions(name, self._lake, partitions, self._types)
