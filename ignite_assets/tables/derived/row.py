"""What a derived asset is: the rows it holds, the captures it reads, and the SQL that makes one of the other."""

from dataclasses import dataclass
from typing import Literal

from ignite_assets.api.table import Column, History, Lineage, Table

DERIVED_AT = Column(
    name="derived_at",
    type="timestamp",
    description="When this partition was computed (UTC).",
    always=True,
    repeats=True,
)
"""The last column of every derived asset, as `captured_at` is of every capture."""

COVERAGE = Column(
    name="coverage",
    type="float64",
    description="Captured days of the window ÷ days of the window: below 1, days are missing.",
    always=True,
    repeats=True,
)

InputDays = Literal["window", "both_windows", "nearest"]
"""Which partitions are read for a day.

`window`: those of the trailing window that ends with it. `both_windows`: besides, those of the window that ends the day
before. `nearest`: the newest on or before the day; where there is none, the first after it.
"""


@dataclass(frozen=True, kw_only=True)
class Input:
    """The columns of an asset that are read. The SQL finds them, and each row's `date`, under the asset's name."""

    asset: str
    columns: tuple[str, ...]
    days: InputDays = "window"


@dataclass(frozen=True, kw_only=True)
class Derived(Table):
    """One row: all that the package knows about one derived asset."""

    inputs: tuple[Input, ...]
    """The first is its main input: coverage is of its days, and the day's own partition of it must be there."""
    sql: str
    """The rows in the order in which they are stored, `derived_at` left out.

    It finds, by `getvariable(…)`: `day` and `first`, the window's last and first date; `opens` and `closes`, the
    moments at which the window begins and has ended (UTC); `coverage`, and `coverage_before` of the window that ended
    the day before.
    """
    newest_alone: bool = False
    """Whether the SQL needs of equal rows on several days only the newest; of `both_windows`, the newest before the day
    and that of the day. Several days are then derived in one pass over their windows."""
    numbers: str
    """What Dagster plots of a partition, beside its rows and its coverage: SQL expressions over all of its rows."""
    sources: Lineage
    """Its lineage."""

    @property
    def history(self) -> History:
        """`derived`."""
        return "derived"

    @property
    def stamp(self) -> Column:
        """`derived_at`."""
        return DERIVED_AT

    @property
    def lineage(self) -> Lineage:
        """The columns of captures that its columns are made from."""
        return self.sources

    @property
    def reads(self) -> tuple[str, ...]:
        """The assets that it is made from, its main input first."""
        return tuple(each.asset for each in self.inputs)

    @property
    def main(self) -> str:
        """Its main input."""
        return self.inputs[0].asset
