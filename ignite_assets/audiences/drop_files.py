"""What people drop: files with one person a line or an entry, as CSV, plain text or JSON. Bytes in, cells out.

UTF-8, with or without a byte order mark. A line that can't be read is told by its number, never by its content, and
doesn't stop the others.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ignite_assets.api.errors import IgniteError, json_kind


class DropError(IgniteError):
    """A file can't be read at all. Says why, never quotes it."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Line:
    """The cells of one line that may hold what is looked for; or why it has none."""

    number: int
    """From 1: the line where it begins; of JSON, the entry."""
    cells: tuple[str, ...] = ()
    trouble: str | None = None

    def __repr__(self) -> str:
        return f"Line({self.number}, …)"


Pick = Callable[[Sequence[str]], tuple[str, ...]]
"""The cells of a row that hold what is looked for."""


def lines(data: bytes, name: str, *, pick: Pick, what: str) -> Iterator[Line]:
    """The lines of a file of that name, blank ones left out; `what` is looked for: `address` or `hash`.

    CSV: the columns whose header names `what`; without such a header, the cells that `pick` takes. JSON: an array of
    text, or of objects with a key that names it. Any other name: one a line. Raises `DropError`.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DropError("not UTF-8 text")
    text = data.removeprefix(codecs.BOM_UTF8).decode(errors="surrogateescape")
    suffix = name.lower().rpartition(".")[2]
    if suffix == "json":
        return _json(text, what)
    if suffix in ("csv", "tsv"):
        return _csv(text, pick, what)
    return _plain(text)


def _plain(text: str) -> Iterator[Line]:
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if line.strip():
            yield _line(number, (line,), "")


def _csv(text: str, pick: Pick, what: str) -> Iterator[Line]:
    rows = _rows(text)
    columns: list[int] = []
    for number, row in rows:
        if row is None:
            yield Line(number=number, trouble="not CSV")
        elif number == 1 and (columns := _columns(row, what)):
            continue
        elif any(cell.strip() for cell in row):
            found = tuple(row[at] for at in columns if at < len(row)) if columns else pick(row)
            yield _line(number, found, f"no {what}")


def _rows(text: str) -> Iterator[tuple[int, list[str] | None]]:
    """Each row with the number of its first line; None for a line that isn't CSV: its quote stays open, say."""
    all_lines = list(io.StringIO(text, newline=""))
    delimiter = _delimiter(all_lines[0] if all_lines else "")
    start = 0
    while start < len(all_lines):
        reader = csv.reader(islice(all_lines, start, None), delimiter=delimiter, strict=True, skipinitialspace=True)
        begin = start
        try:
            for row in reader:
                yield begin + 1, row
                begin = start + reader.line_num
        except csv.Error:
            yield begin + 1, None
            start = begin + 1
        else:
            return


def _delimiter(first: str) -> str:
    return max(",;\t|", key=first.count)


def _columns(header: Sequence[str], what: str) -> list[int]:
    """The columns that a header calls by that name; none when it isn't a header."""
    names = [re.sub(r"[^a-z0-9]", "", cell.casefold()) if "@" not in cell else "" for cell in header]
    exact, like = _NAMES[what]
    return [at for at, name in enumerate(names) if name in exact] or [
        at for at, name in enumerate(names) if any(part in name for part in like)
    ]


_NAMES = {
    "address": (
        {"email", "emails", "emailaddress", "emailaddresses", "mail", "mailaddress"},
        ("email", "mailad"),
    ),
    "hash": ({"hash", "hashedemail", "emailhash", "md5", "sha1", "sha256"}, ("hash", "md5", "sha1", "sha256")),
}
"""What headers and keys are called, in lower-case letters and digits: exactly, and else with this in them."""


def _json(text: str, what: str) -> Iterator[Line]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = _NOT_JSON
    if document is _NOT_JSON:
        raise DropError("not JSON")
    if not isinstance(document, list):
        raise DropError(f"expected an array, found {json_kind(document)}")
    return (_entry(number, entry, what) for number, entry in enumerate(document, 1))


_NOT_JSON = object()


def _entry(number: int, entry: object, what: str) -> Line:
    if isinstance(entry, str):
        return _line(number, (entry,), f"no {what}")
    if not isinstance(entry, dict):
        return Line(number=number, trouble=f"expected text or an object, found {json_kind(entry)}")
    values = list(entry.values())
    found = [values[at] for at in _columns(list(entry), what)]
    return _line(number, tuple(value for value in found if isinstance(value, str)), f"no {what}")


def _line(number: int, cells: tuple[str, ...], otherwise: str) -> Line:
    """The cells that aren't blank; a line without any is in trouble."""
    filled = tuple(cell for cell in cells if cell.strip())
    if not filled:
        return Line(number=number, trouble=otherwise)
    if any("\udc80" <= character <= "\udcff" for cell in filled for character in cell):
        return Line(number=number, trouble="not UTF-8")
    return Line(number=number, cells=filled)
