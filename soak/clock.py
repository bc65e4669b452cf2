"""The simulated time: one moment in a file, moved by the driver, read by every process that captures."""

import datetime as dt
from pathlib import Path

CLOCK_VARIABLE = "SOAK_CLOCK"
"""Names the clock's file to the processes of a soak."""


class ClockFile:
    """A clock that stands still at the moment its file holds; readers see the old moment or the new one."""

    def __init__(self, path: Path) -> None:
        """The clock of a file, which `move` makes."""
        self._path = path

    def __call__(self) -> dt.datetime:
        """The moment, aware."""
        return dt.datetime.fromisoformat(self._path.read_text())

    def move(self, moment: dt.datetime) -> None:
        """Set the moment, forward or back."""
        beside = self._path.with_suffix(".next")
        beside.write_text(moment.isoformat())
        beside.replace(self._path)
