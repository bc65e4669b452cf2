"""Rows out of JSON: arrays, nested objects and pages, one document or one a line.

A row is an entry of an outermost array, or of an object whose keys are addresses. Its columns are the key paths below
it; the same key twice is two cells.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from ignite_assets.audiences.drops.addresses import LOOKS_LIKE
from ignite_assets.audiences.drops.columns import is_header
from ignite_assets.audiences.drops.decoding import DropError
from ignite_assets.audiences.drops.tables import DroppedRow, DroppedTable

KEY = "key"
"""The column of keys that are addresses themselves."""
STATUS = "status"
"""The column of what stands beside such a key."""
ITSELF = "value"
"""The column of entries that are no objects."""
_LONGEST_RAW = 100_000
_BEGINS = re.compile(r'\s*(?:\[\s*(?:[\[{"\]\d-]|true|false|null)|\{\s*["}])')


class _Pairs(list[tuple[str, Any]]):
    """An object with its keys in order, repeated ones included."""


def _object(pairs: list[tuple[str, Any]]) -> Any:
    """An object; one of several addresses, `{"ann@example.com": {…}, …}`, is the array of its entries."""
    if sum(LOOKS_LIKE.search(key) is not None for key, _ in pairs) < 2:
        return _Pairs(pairs)
    return [_Pairs([pair]) for pair in pairs]


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def looks_like_json(text: str) -> bool:
    """Whether a text begins as JSON does."""
    return text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")


def read(text: str) -> Iterator[DroppedRow]:
    """The rows of a document. Raises `DropError` when it isn't one."""
    text = text.lstrip("\ufeff")
    start = len(text) - len(text.lstrip())
    if text.startswith("[", start):
        return _array(text, start)
    document, end = _decode(text, start)
    if text[end:].strip():
        raise DropError("not JSON")
    return _Rows().of(document, 1)


def read_lines(lines: Iterator[str]) -> Iterator[DroppedRow]:
    """The rows of JSON Lines; a line that isn't JSON is a row of one cell that stands below nothing."""
    made, broken = _Rows(), DroppedTable()
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                document, end = _decode(line, len(line) - len(line.lstrip("\ufeff \t")))
            except DropError:
                document, end = None, 0
            if not end or line[end:].strip():
                yield DroppedRow(broken, number, (line,), None, line, False)
            else:
                yield from made.entry(document, number, (), made.table, line)


def is_json_lines(head: str) -> bool:
    """Whether the first two lines that aren't blank are objects of their own."""
    found = [line for line in head.lstrip("\ufeff").splitlines() if line.strip()][:2]
    if len(found) < 2 or not all(line.lstrip().startswith("{") for line in found):
        return False
    try:
        ends = [_decode(line, len(line) - len(line.lstrip())) for line in found]
    except DropError:
        return False
    return all(not line[end:].strip() for line, (_, end) in zip(found, ends, strict=True))


def begins_well(head: str) -> bool:
    """Whether a text goes on as JSON after its first bracket, rather than as text in brackets."""
    return _BEGINS.match(head.lstrip("\ufeff")) is not None


def _array(text: str, at: int) -> Iterator[DroppedRow]:
    """The rows of an array, entry by entry: a long one isn't held in memory as a whole."""
    made, number, at = _Rows(), 0, _past_space(text, at + 1)
    if text.startswith("]", at):
        return
    while True:
        entry, end = _decode(text, at)
        number += 1
        yield from made.entry(entry, number, (), made.table, text[at : min(end, at + _LONGEST_RAW)])
        end = _past_space(text, end)
        if text.startswith("]", end):
            break
        if not text.startswith(",", end):
            raise DropError("not JSON")
        at = _past_space(text, end + 1)
    if text[end + 1 :].strip():
        raise DropError("not JSON")


def _decode(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        pass
    raise DropError("not JSON")


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


class _Rows:
    """The rows of a document, in a table for each array."""

    def __init__(self) -> None:
        self.table = DroppedTable()
        self._numbers: dict[tuple[int, str], int] = {}
        self._listed: dict[int, DroppedTable] = {}
        """By table, the one of its entries that are rows themselves: `["ann@example.com", "Ann"]`."""

    def of(self, document: Any, place: int) -> Iterator[DroppedRow]:
        """The rows of a document that is no array: those of its outermost arrays, and one of what stands around."""
        if not isinstance(document, _Pairs) or not any(_arrays(document, ())):
            yield from self.entry(document, place, (), self.table, json.dumps(_plain(document))[:_LONGEST_RAW])
            return
        around = DroppedTable(preamble=True)
        rest = _without_arrays(document)
        if LOOKS_LIKE.search(json.dumps(rest, ensure_ascii=False)):
            yield from self.entry(rest, 0, (), around, json.dumps(_plain(rest), ensure_ascii=False))
        number = 0
        for path, array in _arrays(document, ()):
            table = DroppedTable()
            for each in array:
                number += 1
                yield from self.entry(each, number, path, table, json.dumps(_plain(each), ensure_ascii=False))

    def entry(
        self, value: Any, place: int, path: tuple[str, ...], table: DroppedTable, raw: str
    ) -> Iterator[DroppedRow]:
        """One row: every text below, by its path; or the cells of an entry that is a row itself."""
        if isinstance(value, list) and not isinstance(value, _Pairs) and any(isinstance(v, _Pairs) for v in value):
            for each in value:
                yield from self.entry(each, place, path, table, json.dumps(_plain(each), ensure_ascii=False))
            return
        if isinstance(value, list) and not isinstance(value, _Pairs) and not any(isinstance(v, list) for v in value):
            yield from self._listed_entry([_text(each) for each in value], place, table, raw)
            return
        cells: list[str] = []
        at: list[int] = []
        for name, text in _cells(value, path):
            cells.append(text)
            at.append(self._column(table, name))
        yield DroppedRow(table, place, cells, at, raw, True)

    def _listed_entry(self, cells: list[str], place: int, of: DroppedTable, raw: str) -> Iterator[DroppedRow]:
        table = self._listed.setdefault(id(of), DroppedTable())
        if not table.names and is_header(cells):
            table.names += cells
        else:
            yield DroppedRow(table, place, cells, None, raw, not table.names or len(cells) <= len(table.names))

    def _column(self, table: DroppedTable, name: str) -> int:
        key = (id(table), name)
        if key not in self._numbers:
            self._numbers[key] = len(table.names)
            table.names.append(name)
        return self._numbers[key]


def _cells(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The scalars below a value, as text, by the dotted names of their keys."""
    if isinstance(value, _Pairs):
        for key, each in value:
            name = key
            if LOOKS_LIKE.search(key):
                yield KEY, key
                name = "" if isinstance(each, list) else STATUS
            yield from _cells(each, (*path, name) if name else path)
    elif isinstance(value, list):
        for each in value:
            yield from _cells(each, path)
    elif value is not None:
        yield ".".join(path) or ITSELF, _text(value)


def _text(value: Any) -> str:
    """A scalar as a cell."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _arrays(value: _Pairs, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    """The outermost arrays with addresses in them, and their paths."""
    for key, each in value:
        if isinstance(each, _Pairs):
            yield from _arrays(each, (*path, key))
        elif _is_array(each):
            yield (*path, key), each


def _is_array(value: Any) -> bool:
    return isinstance(value, list) and not isinstance(value, _Pairs) and _has_address(value)


def _has_address(value: Any) -> bool:
    if isinstance(value, _Pairs):
        return any(LOOKS_LIKE.search(key) or _has_address(each) for key, each in value)
    if isinstance(value, list):
        return any(map(_has_address, value))
    return isinstance(value, str) and LOOKS_LIKE.search(value) is not None


def _without_arrays(value: _Pairs) -> _Pairs:
    return _Pairs(
        (key, _without_arrays(each) if isinstance(each, _Pairs) else each) for key, each in value if not _is_array(each)
    )


def _plain(value: Any) -> Any:
    """A document as `json` writes it; of a repeated key each value."""
    if isinstance(value, _Pairs):
        repeated = {key for key, _ in value if sum(key == other for other, _ in value) > 1}
        return {f"{key}#{at}" if key in repeated else key: _plain(each) for at, (key, each) in enumerate(value)}
    return [_plain(each) for each in value] if isinstance(value, list) else value
