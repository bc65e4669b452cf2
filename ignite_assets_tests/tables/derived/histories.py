"""Histories of a website for the tests, and what plain Python makes of them.

A history is what the partitions of an asset hold, by day; a day that was not captured is not in it.
"""

import datetime as dt
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
from hypothesis import strategies as st

from ignite_assets.storage.lake import Lake
from ignite_assets.tables.derived.derivation import Derivations
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.made import MadePartition
from ignite_assets_tests.audiences.captures import DAY, NOW, WEBSITE, ago, capture

PEOPLE = tuple(f"{number:064x}" for number in range(6))
SPAN = 9
"""Days that the histories reach back."""
LONG_AGO = ago(SPAN + 20)

Rows = list[dict[str, Any]]
History = Mapping[dt.date, Rows]
DAYS = st.integers(0, SPAN).map(ago)
FIRST_DAYS = st.integers(0, SPAN + 2).map(ago)
WINDOWS = st.integers(1, SPAN + 2)


def history_of(rows: st.SearchStrategy[Rows]) -> st.SearchStrategy[History]:
    """The day itself, and any of the days before it."""
    others = st.dictionaries(st.integers(1, SPAN).map(ago), rows)
    return st.builds(lambda today, before: {**before, DAY: today}, rows, others)


def some_of(values: Iterable[Any]) -> st.SearchStrategy[Rows]:
    """Some of these rows, in any order, none at all too."""
    every = list(values)
    return st.lists(st.sampled_from(every), unique_by=repr, max_size=len(every)).map(list)


VISITORS = history_of(some_of({"hashed_email": person, "algo": "sha2"} for person in PEOPLE))
MEMBERS = history_of(
    some_of(
        {"audience_id": audience, "hashed_email": person, "algo": "sha2"}
        for audience in (1, 2)
        for person in PEOPLE[:4]
    )
)
LOCATIONS = history_of(some_of({"id": number, "city": city} for number in (1, 2, 3) for city in ("Austin",)))


def nested(history: Mapping[dt.date, Rows], late: Iterable[dt.date]) -> History:
    """The history as the platform answers it: a day that is captured late holds also whoever came after it."""
    found = {}
    for day, rows in history.items():
        later = [row for other, more in history.items() if other > day for row in more] if day in late else []
        found[day] = list({repr(row): row for row in [*rows, *later]}.values())
    return found


def commit(lake: Lake, asset: str, history: History, *, shuffled: int | None = None) -> None:
    """Put a history into the lake, its rows in any order."""
    for day, rows in history.items():
        mixed = list(rows)
        if shuffled is not None:
            random.Random(shuffled).shuffle(mixed)
        capture(lake, asset, day, mixed)


def derive(
    lake: Lake, derived: Derived, *, window_days: int, first_day: dt.date = LONG_AGO, day: dt.date = DAY
) -> MadePartition:
    return Derivations(lake, derived, WEBSITE, window_days=window_days, first_day=first_day, now=lambda: NOW).one(day)


def rows_of(derivation: MadePartition) -> Rows:
    """The rows of the staged file."""
    derivation.staged.file.seek(0)
    rows: Rows = pq.read_table(derivation.staged.file).drop_columns(["derived_at"]).to_pylist()
    return rows


@dataclass(frozen=True)
class Model:
    """A window in plain Python."""

    history: History
    last: dt.date
    days: int
    first_day: dt.date

    @property
    def wanted(self) -> list[dt.date]:
        days = [self.last - dt.timedelta(days=n) for n in range(self.days)]
        return [day for day in days if day >= self.first_day]

    @property
    def captured(self) -> list[dt.date]:
        return sorted(set(self.wanted) & set(self.history))

    @property
    def coverage(self) -> float:
        return len(self.captured) / len(self.wanted) if self.wanted else 0.0

    @property
    def before(self) -> "Model":
        return Model(self.history, self.last - dt.timedelta(days=1), self.days, self.first_day)

    def values(self, *names: str) -> set[tuple[Any, ...]]:
        """The distinct values of some columns in the window."""
        return {tuple(row[name] for name in names) for day in self.captured for row in self.history[day]}
