"""Draws: the sandbox's chance, as pure functions of names and numbers.

The same names and numbers give the same draw in every process, so nothing here (or above) may use `hash()` or a
generator with a state. `key_of` and `Draw` are for single things, `words` for millions at a time. What a draw
means belongs to the modules that use it.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
"""Uniform 64-bit words, at least one-dimensional: numpy warns of overflow in scalars, not in arrays."""

T = TypeVar("T")

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def key_of(*parts: object) -> int:
    """A uniform 64-bit number from any parts that have a stable text."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def mixed(values: Words) -> Words:
    """The finaliser of splitmix64: close inputs give unrelated words."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def words(key: int, numbers: npt.NDArray[Any]) -> Words:
    """A word for each number, of the stream that `key` names; the shape is that of `numbers`."""
    return mixed(numbers.astype(np.uint64) * _GOLDEN + np.uint64(key))


def pair_words(first: Words, numbers: npt.NDArray[Any]) -> Words:
    """A word for each pair of a word and a number, broadcast against each other."""
    return mixed(first ^ (numbers.astype(np.uint64) * _GOLDEN))


def picks(drawn: Words, table: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An entry of the table for each word."""
    picked: npt.NDArray[Any] = table[(drawn >> np.uint64(16)) % np.uint64(len(table))]
    return picked


class Draw:
    """The draws of one thing, each under a name of its own."""

    def __init__(self, *parts: object) -> None:
        self._parts = parts

    def below(self, name: str, bound: int) -> int:
        """A whole number, from 0 to below `bound`."""
        return key_of(*self._parts, name) % bound

    def one_in(self, name: str, bound: int) -> bool:
        """True once in `bound` things."""
        return self.below(name, bound) == 0

    def pick(self, name: str, choices: Sequence[T]) -> T:
        """One of the choices."""
        return choices[self.below(name, len(choices))]

    def text(self, name: str, alphabet: str, length: int) -> str:
        """`length` characters of the alphabet."""
        return "".join(self.pick(f"{name}{place}", alphabet) for place in range(length))
