"""A partition that has been captured or derived and is not in the lake yet. No Dagster."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ignite_assets.api.errors import IgniteError
from ignite_assets.api.keysets import KeySet
from ignite_assets.api.table import Table
from ignite_assets.storage.staging import Staged


@dataclass(frozen=True, kw_only=True)
class MadePartition:
    """A partition's rows as a finished Parquet file, and how they came about."""

    table: Table
    website: str
    date: dt.date
    made_at: dt.datetime
    """When it was captured or derived: the value of the table's stamp."""
    staged: Staged
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What Dagster shows of it besides its size: numbers, texts and JSON values by name, such as `requests`."""
    preview: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    """The first rows. They may hold personal data: mask it before it is shown."""
    misfits: bytes | None = field(default=None, repr=False)
    """The records that can't be rows, as JSON; personal data. Empty when there are none, None where none can be."""
    keys: KeySet | None = field(default=None, repr=False)
    """The rows' keys, where windows can be compared by them."""


MadeOrFailed = tuple[dt.date, MadePartition | IgniteError]
"""A date with its partition, or with the error that it failed with."""
