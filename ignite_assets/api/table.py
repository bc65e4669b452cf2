"""What a table is: its name, its columns, and what its values are. Pure: no I/O, Arrow or Dagster.

Both kinds of assets are tables: `endpoints.Endpoint` is one that the platform answers, `tables.derived` has those
that are computed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Algo = Literal["md5", "sha1", "sha2"]
"""The hash algorithms of the platform. `sha2` is not defined by the vendor; it is SHA-256."""

ALGOS: tuple[Algo, ...] = get_args(Algo)
HASH_LENGTHS: Mapping[Algo, int] = {"md5": 32, "sha1": 40, "sha2": 64}
"""Hexadecimal characters of a well-formed hash. The vendor's own samples are shorter: count, don't assert."""

ColumnType = Literal["string", "url", "int16", "int32", "int64", "float64", "date", "timestamp", "list<string>", "json"]
"""`url`: text that the platform may wrap in `<…>`; `timestamp`: microseconds, UTC; `json`: JSON text.

`date` is for what is derived: the platform sends none.
"""

History = Literal["look_back", "current_state", "derived"]

Lineage = Mapping[str, tuple[tuple[str, str], ...]]
"""By column, the (asset, column) pairs that its values are made from."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of an asset's table."""

    name: str
    type: ColumnType
    description: str
    path: tuple[str, ...] = ()
    """Where the value stands in a record, outermost key first; the column's own name unless given."""
    key: bool = False
    """Part of the row's identity: never null, unique together with the row's other keys."""
    always: bool = False
    """Never null, as the keys are."""
    personal: bool = False
    """Personal data: masked wherever values are shown rather than stored."""
    quoted: bool = False
    """A number that the platform sends as a string."""
    hashed: bool = False
    """Hashed e-mails: `HASH_LENGTHS` says how long a well-formed one is."""
    always_sent: bool = False
    """Every record of the platform carries it: an answer in which all lack it is none of the documented shape."""
    repeats: bool = False
    """Few distinct values: worth a dictionary in Parquet."""

    @property
    def source(self) -> tuple[str, ...]:
        """The keys that lead to the value in a record."""
        return self.path or (self.name,)

    @property
    def nullable(self) -> bool:
        """Whether a row may lack it."""
        return not (self.key or self.always)


@dataclass(frozen=True, kw_only=True)
class Table:
    """What an asset's partitions hold. The description is the asset's."""

    name: str
    description: str
    columns: tuple[Column, ...]

    @property
    def history(self) -> History:
        """What dates there can be.

        `look_back`: a past date can be asked for. `current_state`: only the present can. `derived`: nobody is asked.
        """
        raise NotImplementedError

    @property
    def stamp(self) -> Column:
        """The last column, after those of the row: when the partition was made. No part of the content hash."""
        raise NotImplementedError

    @property
    def reads(self) -> tuple[str, ...]:
        """The assets that it is made from. The day's own partition of the first has to be there."""
        return ()

    @property
    def lineage(self) -> Lineage:
        """The columns of other assets that its columns are made from."""
        return {}

    @property
    def documentation_url(self) -> str | None:
        """The page that documents it, if somebody else does."""
        return None

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """The columns of the partition's file."""
        return (*self.columns, self.stamp)

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that together identify a row; empty where no identity is documented."""
        return tuple(column.name for column in self.columns if column.key)

    @property
    def personal(self) -> bool:
        """Whether any column holds personal data."""
        return any(column.personal for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; `KeyError` when there is none."""
        return {column.name: column for column in self.columns}[name]
