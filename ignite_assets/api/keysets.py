"""Sets of keys, small enough to keep while windows are compared: eight bytes a key, whatever its length. Pure.

Keys are hashed, so two may be taken for one: about once in 10^6 comparisons of a million keys each.
Python's hashes of text differ from process to process: sets are for comparing, not for keeping.
"""

import math
from collections.abc import Iterable
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ignite_assets.api.arrow import fixed_width

_Words = npt.NDArray[np.uint64]
_ODD = np.uint64(0x9E3779B97F4A7C15)


class KeySet:
    """The distinct keys of some rows; a key is the values of one or more columns, none of them null."""

    def __init__(self, words: _Words) -> None:
        self.words = _distinct(words)

    @classmethod
    def of(cls, keys: pa.Table | pa.RecordBatch) -> Self:
        """The keys that stand in a table's columns, strings and integers."""
        words = np.zeros(keys.num_rows, dtype=np.uint64)
        for column in keys.columns:
            merged = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            words = _mixed(words ^ _column_words(merged))
        return cls(words)

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def union(cls, sets: Iterable["KeySet"]) -> Self:
        """The keys of all the sets."""
        return cls(np.concatenate([np.empty(0, dtype=np.uint64), *(each.words for each in sets)]))

    def missing_from(self, other: "KeySet") -> int:
        """How many of these are not in the other."""
        return int(np.count_nonzero(~np.isin(self.words, other.words, assume_unique=True)))

    def nearly_within(self, other: "KeySet", share: float) -> bool:
        """Whether the other holds all of these but for a share; one key may always be missing."""
        return self.missing_from(other) <= max(1, math.floor(share * len(self)))


def _distinct(words: _Words) -> _Words:
    """Sorted, each once: a twentieth of the time of `np.unique`, which hashes."""
    words = np.sort(words)
    first = np.ones(len(words), dtype=np.bool_)
    np.not_equal(words[1:], words[:-1], out=first[1:])
    return words[first]


def _mixed(words: _Words) -> _Words:
    words = (words ^ (words >> np.uint64(29))) * _ODD
    return words ^ (words >> np.uint64(32))


def _column_words(column: pa.Array) -> _Words:
    if pa.types.is_integer(column.type):
        return _mixed(np.frombuffer(fixed_width(column.cast(pa.int64())), dtype=np.uint64))
    return np.fromiter(map(hash, column.to_pylist()), dtype=np.int64, count=len(column)).view(np.uint64)
