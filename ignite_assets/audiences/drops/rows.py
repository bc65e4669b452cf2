"""Rows of a text with delimiters: quoted cells, quotes that nobody closed, and which delimiter it is."""

import csv
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

DELIMITERS = ",;\t|^~\x01"
_ALONE = re.compile(r"[\s\"']*[\w.+-]+@[\w.-]+[\s\"']*")
_SAMPLE_LINES = 200
_LONGEST_CELL_LINES = 100
"""A quote that is still open after so many lines is a stray one."""


class Physical(NamedTuple):
    """The cells of one row, and where they stand."""

    place: int
    """The number of its first line, from 1."""
    cells: list[str]
    raw: str
    """Its lines as they are."""


class Lines:
    """Lines with a look ahead."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self._ahead = iter(lines), deque[str]()
        self.number = 0
        """Of the line taken last, from 1."""

    def peek(self, count: int) -> list[str]:
        """Up to so many of the next lines; they stay."""
        missing = count - len(self._ahead)
        if missing > 0:
            self._ahead.extend(islice(self._lines, missing))
        return list(islice(self._ahead, count))

    def take(self, count: int = 1) -> list[str]:
        """The next lines."""
        taken = self.peek(count)
        for _ in taken:
            self._ahead.popleft()
        self.number += len(taken)
        return taken

    def next(self) -> str | None:
        """The next line; None at the end."""
        line = self._ahead.popleft() if self._ahead else next(self._lines, None)
        self.number += line is not None
        return line


def read(lines: Lines, line: str, delimiter: str) -> list[Physical]:
    """The row that begins with a line that was just taken; several when a stray quote would have swallowed rows."""
    place = lines.number
    if '"' not in line:
        return [Physical(place, line.split(delimiter), line)]
    ahead: list[str] = []
    cells, used = _quoted([line], delimiter)
    if cells is None:
        ahead = lines.peek(_LONGEST_CELL_LINES - 1)
        cells, used = _quoted([line, *ahead], delimiter)
    if cells is None:
        return [Physical(place, line.split(delimiter), line)]
    span = [line, *ahead[: used - 1]]
    lines.take(used - 1)
    if used > 1 and any("@" in each for each in span[1:]) and _are_rows(span, delimiter):
        return [Physical(place + at, each.split(delimiter), each) for at, each in enumerate(span)]
    return [Physical(place, cells, "\n".join(span))]


def _quoted(lines: Sequence[str], delimiter: str) -> tuple[list[str] | None, int]:
    """The cells of the first row and how many lines it takes; None when its quotes don't match."""
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        cells = next(reader)
    except (csv.Error, StopIteration):
        return None, 0
    return cells, reader.line_num


def _are_rows(span: Sequence[str], delimiter: str) -> bool:
    """Whether the lines of a multi-line row look like rows themselves: as many delimiters in each."""
    counts = {line.count(delimiter) for line in span if line.strip()}
    return len(counts) == 1


def guess_delimiter(lines: Iterable[str]) -> str:
    """The delimiter that stands equally often in the most lines with addresses, or in the most lines.

    Where decimals have commas, several do; then it is the one with which most addresses have a cell of their own.
    """
    sample = [line for line in lines if line.strip()][:_SAMPLE_LINES]
    sample = [line for line in sample if "@" in line] or sample

    def regularity(delimiter: str) -> tuple[int, int, int]:
        counts = Counter(_outside_quotes(line).count(delimiter) for line in sample)
        counts.pop(0, None)
        most = max(counts.values(), default=0)
        alone = sum(_ALONE.fullmatch(cell) is not None for line in sample for cell in line.split(delimiter))
        return most, alone, max((count for count, often in counts.items() if often == most), default=0)

    return max(DELIMITERS, key=regularity)


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[0::2]) if '"' in line else line


def sample(lines: Lines) -> Iterator[str]:
    """The lines that a delimiter is guessed from."""
    return iter(lines.peek(_SAMPLE_LINES))
