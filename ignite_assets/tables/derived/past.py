"""What the windows of several days share: the rows of the days in each, read once. No Dagster."""

import datetime as dt
from collections.abc import Mapping, Sequence

from ignite_assets.storage.duck import IN_PATH, Workspace, no_rows, quoted
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.row import Input


class Past:
    """One input's rows, for one day after another: each distinct row of the window once, at the newest of its days.

    Where the window that ended the day before is read too, the day's own rows stand beside those of earlier days. What
    left the window is forgotten, so that it holds no more than one window does. Each file is read once.
    """

    def __init__(self, workspace: Workspace, lake: Lake, website: str, of: Input, types: Mapping[str, str]) -> None:
        self._workspace, self._lake, self._website, self._of = workspace, lake, website, of
        self._types = types
        self._taken: set[dt.date] = set()
        self._table, self._new = f"past_{of.asset}", f"new_{of.asset}"
        self._names = ", ".join(map(quoted, of.columns))
        for table in (self._table, self._new):
            workspace.table(table, no_rows({**types, "date": IN_PATH["date"]}))
        workspace.name(of.asset, f"FROM {self._table} UNION ALL FROM {self._new}")

    def move_to(self, day: dt.date, days: Sequence[dt.date]) -> None:
        """Have the input's name stand for its rows of a day's window; `days`: those that are read, in order.

        The day comes after all that were asked for.
        """
        apart = [day] if self._of.days == "both_windows" and day in days else []
        due = [each for each in days if each not in self._taken and each not in apart]
        self._merge(due, since=days[0] if days else day)
        if self._of.days == "both_windows":
            self._workspace.table(self._new, self._rows(apart))
        self._taken.update(due, apart)

    def _merge(self, days: Sequence[dt.date], *, since: dt.date) -> None:
        """Add the rows of the day before, and of more days, to those of earlier ones, and drop what is too old."""
        found = f"FROM {self._table} UNION ALL FROM {self._new} UNION ALL {self._rows(days)}"
        self._workspace.table(
            self._table,
            f"SELECT {self._names}, max(date) AS date FROM ({found}) WHERE date >= DATE '{since}' "  # noqa: S608 - quoted
            f"GROUP BY {self._names}",
        )

    def _rows(self, days: Sequence[dt.date]) -> str:
        partitions = [Partition(self._of.asset, self._website, day) for day in days]
        return self._workspace.partitions(self._new, self._lake, partitions, self._types)
