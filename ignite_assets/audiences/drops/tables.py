"""Rows of named columns out of lines of text: where headers are, where a second table begins, what stands above.

A header is a row without an address that names a column of addresses. It may stand below a title and blank lines, and
a file may hold several tables, each with its own header and delimiter.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ignite_assets.audiences.drops import rows
from ignite_assets.audiences.drops.addresses import LOOKS_LIKE
from ignite_assets.audiences.drops.columns import header_score, is_header, may_be_header
from ignite_assets.audiences.drops.rows import DELIMITERS, Lines, Physical

_NO_DELIMITER = "\x1f"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_FOOTER = re.compile(
    r"\W*(?:total|sum|summe|gesamt|end|ende|eof|generated|exported|report|records?|rows?|count|anzahl|page|seite)\b"
    r"|\W*\(?\d+ (?:rows?|records?|contacts?|results?)\b",
    re.IGNORECASE,
)


@dataclass(eq=False)
class DroppedTable:
    """Rows that have their columns in common."""

    names: list[str] = field(default_factory=list)
    """Of its columns, in order; none without a header. Of JSON, key paths, which are added as they are met."""
    preamble: bool = False
    """Whether these are lines above the first header."""

    def name(self, at: int) -> str:
        """The column's name; empty without one."""
        return self.names[at] if at < len(self.names) else ""


@dataclass(frozen=True, kw_only=True)
class Reject:
    """A row that a person has to look at."""

    line: int
    """Its number from 1; of JSON, the entry's; of a workbook, the row's; 0 is the whole file."""
    reason: str
    content: str = field(default="", repr=False)


class DroppedRow(NamedTuple):
    """One row or entry."""

    table: DroppedTable
    place: int
    """Line, entry or sheet row, from 1."""
    cells: Sequence[str]
    at: Sequence[int] | None
    """The columns of the cells; None when they are in order."""
    raw: str
    aligned: bool
    """Whether its cells stand below the header's."""


Finds = Callable[[str], object]
"""Whether a text has something that is looked for."""


def read(
    source: Iterator[str], finds: Finds = LOOKS_LIKE.search, heads: Callable[[list[str]], bool] = is_header
) -> Iterator[DroppedRow]:
    """The rows of a text that have anything in them; a line in which `finds` finds nothing may be a header."""
    lines = Lines(source)
    table = DroppedTable()
    delimiter = _begin(lines)
    bare = True
    while (line := lines.next()) is not None:
        if not line.strip():
            continue
        found = None if finds(line) else _header(line, lines, finds, heads, first=bare)
        if found:
            if found[1] != table.names:
                table, bare = DroppedTable(names=found[1]), False
            delimiter = found[0]
            continue
        for row in rows.read(lines, line, delimiter):
            yield _row(table, row)


def _begin(lines: Lines) -> str:
    """The delimiter; a `sep=` line is read and taken out of the way."""
    first = lines.peek(1)
    told = _SEPARATOR_LINE.fullmatch(first[0].strip("\ufeff").rstrip() or first[0]) if first else None
    if told:
        lines.take()
        return told[1]
    return rows.guess_delimiter(rows.sample(lines))


def _header(
    line: str, lines: Lines, finds: Finds, heads: Callable[[list[str]], bool], *, first: bool
) -> tuple[str, list[str]] | None:
    """The delimiter and the names of a header; None for any other row.

    Below another header a row is one only if the next row with an address has it below a name of its own.
    """
    options = [(each, _cells(line, each)) for each in DELIMITERS if each in line] or [(_NO_DELIMITER, [line])]
    good = [(each, cells) for each, cells in options if heads(cells)]
    if not good and not (first and heads is is_header):
        return None
    good = good or [(each, cells) for each, cells in options if may_be_header(cells)]
    if not good:
        return None
    sure = heads(good[0][1])
    delimiter, cells = max(good, key=lambda option: (header_score(option[1]), len(option[1])))
    names = [cell.strip().strip("\ufeff").strip() for cell in cells]
    return (delimiter, names) if (first and sure) or _fits(names, delimiter, lines, finds, heads) else None


def _fits(names: Sequence[str], delimiter: str, lines: Lines, finds: Finds, heads: Callable[[list[str]], bool]) -> bool:
    following = next((line for line in lines.peek(20) if finds(line)), None)
    if following is None:
        return True
    cells = _cells(following, delimiter)
    bearing = [at for at, cell in enumerate(cells) if finds(cell)]
    return len(cells) == len(names) and all(heads([names[at]]) for at in bearing[:1])


def _cells(line: str, delimiter: str) -> list[str]:
    return rows.read(Lines([]), line, delimiter)[0].cells


def _row(table: DroppedTable, row: Physical) -> DroppedRow:
    width = len(table.names)
    surplus = bool(width) and len(row.cells) > width and any(cell.strip() for cell in row.cells[width:])
    return DroppedRow(table, row.place, row.cells, None, row.raw, not surplus)


def is_footer(row: DroppedRow) -> bool:
    """Whether a row without an address only tells of the file: a total, an end, a date of export."""
    filled = [cell for cell in row.cells if cell.strip()]
    is_rule = not any(character.isalnum() or character == "@" for cell in filled for character in cell)
    return bool(filled) and (is_rule or _FOOTER.match(filled[0]) is not None)
