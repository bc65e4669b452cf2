"""Facts that a partition is judged by, gathered while it is written and kept in its file's footer.

With them checks, exports and pages judge a partition, and compare it with others, without reading its rows.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ignite_assets.api.arrow import constant, fixed_width
from ignite_assets.api.digests import malformed
from ignite_assets.api.endpoints import ALGO, EXTRA, Endpoint
from ignite_assets.api.keysets import KeySet, KeyWords, Sample, column_words, row_words
from ignite_assets.api.table import HASH_LENGTHS, Algo, Column, Table

FOOTER = "facts"
"""The footer's entry for the facts, as JSON."""

_FEWEST_COMPARED = 2
"""A list of one person is often another's too."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a partition's rows."""

    empty: Mapping[str, int]
    """By column, rows without a value; columns that all rows fill are left out."""
    keys: int | None = None
    """Distinct keys; None where the rows have no identity."""
    sample: Sample | None = None
    """Of the rows' keys; without an identity, of the first column that every record carries."""
    hashes: int = 0
    malformed: int = 0
    """Of the hashes, those without the algorithm's length or in upper case."""
    entities: int | None = None
    """Entities that were listed and asked for."""
    compared: int = 0
    """Entities with enough hashes to compare their lists."""
    alike: int = 0
    """Of the compared, the most that have one and the same list."""
    alike_hashes: int = 0
    """In that list."""

    @property
    def alike_share(self) -> float:
        """The share of the compared entities that have one and the same list."""
        return self.alike / self.compared if self.alike > 1 else 0.0


def read(footer: Mapping[str, str]) -> Facts | None:
    """The facts of a footer; None for a file of a version that gathered none."""
    text = footer.get(f"ignite.{FOOTER}")
    if text is None:
        return None
    told: dict[str, Any] = json.loads(text)
    sample = told.pop("sample", None)
    sampled = told.pop("sampled", 0)
    return Facts(**told, sample=None if sample is None else Sample.load(sample, sampled))


class Gathering:
    """Gathers the facts of one partition, batch by batch."""

    def __init__(self, table: Table, algo: Algo | None = None) -> None:
        self._table, self._length = table, HASH_LENGTHS[algo] if algo else None
        self._empty: Counter[str] = Counter()
        self._words: list[KeyWords] = []
        self.hashes = self._malformed = 0
        self._lists = _Lists(table)
        self._sampled = list(table.keys) or [column.name for column in table.columns if column.always_sent][:1]

    def take(self, batch: pa.RecordBatch) -> None:
        """Learn of some rows, in the table's columns."""
        for column in self._table.columns:
            if column.nullable and column not in (EXTRA, ALGO):
                self._empty[column.name] += len(batch) - filled(batch.column(column.name))
        words = None
        if self._sampled:
            words = row_words(batch.select(self._sampled).filter(_complete(batch, self._sampled)))
            self._words.append(words)
        for column in self._table.columns:
            if column.hashed:
                self._take_hashes(batch, column)

    def _take_hashes(self, batch: pa.RecordBatch, column: Column) -> None:
        values = batch.column(column.name)
        flat = (values.flatten() if pa.types.is_list(values.type) else values).drop_null()
        self.hashes += len(flat)
        self._malformed += malformed(flat, self._length) if self._length else 0
        self._lists.take(batch, values)

    def key_set(self) -> KeySet:
        """The keys of the rows so far."""
        return KeySet.union(map(KeySet, self._words))

    def filled(self, rows: int, name: str) -> int:
        """Of so many rows, those with a value in a column."""
        return rows - self._empty[name]

    def entry(self, entities: int | None) -> str:
        """The facts as the footer's entry."""
        told: dict[str, Any] = {"empty": {name: count for name, count in self._empty.items() if count}}
        if self._sampled:
            keys = self.key_set()
            told |= {"sample": keys.sample().dump(), "sampled": len(keys)}
            told |= {"keys": len(keys)} if self._table.keys else {}
        if self.hashes:
            told |= {"hashes": self.hashes, "malformed": self._malformed}
        if entities is not None:
            told["entities"] = entities
        told |= self._lists.alike()
        return json.dumps(told, separators=(",", ":"))


def filled(values: pa.Array) -> int:
    """How many values of a column are there; an empty list is none."""
    if pa.types.is_list(values.type):
        return int(pc.sum(pc.list_value_length(values).cast(pa.bool_())).as_py() or 0)  # a scalar imports pandas
    return int(len(values) - values.null_count)


def _complete(batch: pa.RecordBatch, names: Sequence[str]) -> pa.Array:
    first, *others = (batch.column(name).is_valid() for name in names)
    for each in others:
        first = pc.and_(first, each)
    return first


class _Lists:
    """The hashes of each entity, as a count and a sum of their words: equal for equal lists in any order."""

    def __init__(self, table: Table) -> None:
        ids = table.ids if isinstance(table, Endpoint) else None
        self._owner = ids.column if ids else None
        self._found: dict[int, tuple[int, int]] = {}

    def take(self, batch: pa.RecordBatch, values: pa.Array) -> None:
        if self._owner is None or not len(batch):
            return
        owners = np.frombuffer(fixed_width(batch.column(self._owner)), dtype=np.int64)
        if pa.types.is_list(values.type):
            owners = np.repeat(owners, _lengths(values))
            values = values.flatten()
        if values.null_count:
            owners = owners[np.frombuffer(fixed_width(values.is_valid().cast(pa.uint8())), dtype=np.bool_)]
        self._add(owners, column_words(values.drop_null()))

    def _add(self, owners: npt.NDArray[np.int64], words: KeyWords) -> None:
        if not len(owners):
            return
        starts = np.flatnonzero(np.diff(owners, prepend=owners[0] - 1))  # of the stretches of one entity's rows
        counts, sums = np.diff(starts, append=len(owners)), np.add.reduceat(words, starts)
        for entity, count, total in zip(owners[starts].tolist(), counts.tolist(), sums.tolist(), strict=True):
            before = self._found.get(entity, (0, 0))
            self._found[entity] = before[0] + count, (before[1] + total) % (1 << 64)

    def alike(self) -> dict[str, int]:
        """The facts about entities with enough hashes, and the most of them that have equal lists."""
        lists = Counter(found for found in self._found.values() if found[0] >= _FEWEST_COMPARED)
        if not lists:
            return {}
        (((hashes, _), alike),) = lists.most_common(1)
        return {"compared": lists.total(), "alike": alike, "alike_hashes": hashes}


def _lengths(values: pa.Array) -> npt.NDArray[np.int64]:
    lengths = pc.coalesce(pc.list_value_length(values), constant(pa.int32(), 0, len(values))).cast(pa.int64())
    return np.frombuffer(fixed_width(lengths), dtype=np.int64)
