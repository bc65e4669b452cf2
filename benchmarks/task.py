"""What a variant is asked to do. Standard library only: peers import it too."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sites import FIRST_ID, LOOK_BACK_DAYS, SITES, Site, location_ids

AT_ONCE = 32
LOOK_BACK = dt.timedelta(days=LOOK_BACK_DAYS)


@dataclass(frozen=True)
class Task:
    """One endpoint of one of the server's websites, to be had as Parquet below a folder."""

    endpoint: str
    """A row of the package's endpoint table."""
    site_name: str
    server: str
    """The server's address."""
    folder: Path

    @property
    def url(self) -> str:
        """The website's base URL."""
        return f"{self.server}/{self.site_name}"

    @property
    def site(self) -> Site:
        """What the website holds."""
        return SITES[self.site_name]

    @property
    def ids(self) -> list[int]:
        """The locations to ask details of."""
        return list(location_ids(self.site))

    @property
    def first_id(self) -> int:
        """The lowest of them."""
        return FIRST_ID

    def ids_of(self, age: int) -> list[int]:
        """The locations of a window of so many days."""
        return list(location_ids(self.site, age))

    @property
    def file(self) -> Path:
        """Where a variant that writes one file of its own puts it."""
        return self.folder / "file.parquet"


def yesterday() -> dt.date:
    """The look-back date that is asked for."""
    return dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)


def look_back_days() -> list[dt.date]:
    """Every look-back date that can be asked for, oldest first."""
    return [yesterday() - dt.timedelta(days=n) for n in reversed(range(LOOK_BACK_DAYS))]
