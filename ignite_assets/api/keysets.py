"""Sets of keys as 64-bit words, and small samples of such sets. Pure.

Equal keys have equal words in every process, so words can be stored. Two different keys may share one: about once in
10^6 comparisons of a million keys each.
"""

import base64
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ignite_assets.api.arrow import fixed_width

KeyWords = npt.NDArray[np.uint64]
_SAMPLED = 256
_STORED_BYTES = 6
"""Of a word in a sample, its most significant bytes."""


class KeySet:
    """The distinct keys of some rows; a key is the values of one or more columns, none of them null."""

    def __init__(self, words: KeyWords) -> None:
        self.words = _distinct(words)

    @classmethod
    def of(cls, keys: pa.Table | pa.RecordBatch) -> Self:
        """The keys that stand in a table's columns, strings and integers."""
        return cls(row_words(keys))

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

    def sample(self) -> "Sample":
        """The keys with the lowest words: the same keys of every set that holds them."""
        shift = np.uint64(64 - 8 * _STORED_BYTES)
        return Sample(self.words[:_SAMPLED] >> shift, whole=len(self) <= _SAMPLED)


@dataclass(frozen=True, eq=False)
class Sample:
    """The lowest words of a set of keys (a bottom-k sketch). Two samples tell what share two sets have in common."""

    words: KeyWords
    """Sorted."""
    whole: bool
    """Whether it holds every key of the set."""

    def common(self, other: "Sample") -> tuple[int, int, int]:
        """Of the keys that both samples would show: those in both sets, those in this one, those in the other."""
        bounds = [each.words[-1] for each in (self, other) if not each.whole]
        mine, others = (each.words[each.words <= min(bounds)] if bounds else each.words for each in (self, other))
        return len(np.intersect1d(mine, others, assume_unique=True)), len(mine), len(others)

    def dump(self) -> str:
        """The sample as text."""
        raw = self.words.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - _STORED_BYTES :]
        return base64.b64encode(raw.tobytes()).decode()

    @classmethod
    def load(cls, text: str, keys: int) -> Self:
        """A sample of a set of so many keys, from its text."""
        raw = np.frombuffer(base64.b64decode(text), dtype=np.uint8).reshape(-1, _STORED_BYTES)
        words = np.zeros((len(raw), 8), dtype=np.uint8)
        words[:, 8 - _STORED_BYTES :] = raw
        return cls(words.reshape(-1).view(">u8").astype(np.uint64), whole=keys <= _SAMPLED)


def row_words(keys: pa.Table | pa.RecordBatch) -> KeyWords:
    """A word for each row's key, in the order of the rows."""
    words = np.zeros(keys.num_rows, dtype=np.uint64)
    for column in keys.columns:
        merged = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        words = _mixed(words ^ column_words(merged))
    return words


def column_words(column: pa.Array) -> KeyWords:
    """A word for each value of a column of strings or integers without nulls."""
    if pa.types.is_integer(column.type):
        return _mixed(np.frombuffer(fixed_width(column.cast(pa.int64())), dtype=np.uint64))
    return _text_words(column)


def _text_words(column: pa.Array) -> KeyWords:
    """Texts of one length at a time, eight bytes of each at once: hashed e-mails have one length."""
    words = np.zeros(len(column), dtype=np.uint64)
    if not len(column):
        return words
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32, count=len(column) + 1, offset=column.offset * 4)
    content = np.frombuffer(data, dtype=np.uint8) if data else np.zeros(0, dtype=np.uint8)
    lengths = np.diff(bounds)
    for length in np.flatnonzero(np.bincount(lengths)).tolist():
        rows = np.flatnonzero(lengths == length)
        if len(rows) == len(column):  # they stand side by side
            texts = content[bounds[0] : bounds[-1]].reshape(len(rows), length)
        else:
            texts = content[bounds[rows][:, None] + np.arange(length, dtype=np.int32)]
        words[rows] = _folded(texts, length)
    return words


def _folded(texts: npt.NDArray[np.uint8], length: int) -> KeyWords:
    """A word for each row of characters."""
    padded = np.zeros((len(texts), -(-length // 8) * 8), dtype=np.uint8)
    padded[:, :length] = texts
    words = np.full(len(texts), length, dtype=np.uint64)
    for eight in padded.view("<u8").T if length else ():
        words = _mixed(words ^ eight)
    return words


def _distinct(words: KeyWords) -> KeyWords:
    """Sorted, each once: a twentieth of the time of `np.unique`, which hashes."""
    words = np.sort(words)
    first = np.ones(len(words), dtype=np.bool_)
    np.not_equal(words[1:], words[:-1], out=first[1:])
    return words[first]


def _mixed(words: KeyWords) -> KeyWords:
    """The finaliser of splitmix64: close inputs give unrelated words."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
