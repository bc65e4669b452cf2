"""For your own tests: a search for leaked secrets, and the sandbox as a pytest fixture.

    from ignite_assets.testing import find_leaks

    def test_my_asset_leaks_nothing(tmp_path: Path) -> None:
        ...  # run it with made-up credentials, so that it fails
        assert not find_leaks({"token": TOKEN}, folders=[tmp_path], texts={"log": log}, objects=[error])

`find_leaks` knows a secret as it is and as it may have been written: percent-encoded in each way, in JSON, HTML,
Python's `repr`, base64 and UTF-16. It looks into SQLite databases, compressed data and Parquet files, and follows
exceptions to all that can be reached from them. What it returns never shows a secret.

With `pytest_plugins = ["ignite_assets.testing"]` in the top `conftest.py`, the fixture `ignite_sandbox` is a running
platform on a free loopback port, an `ignite_assets.sandbox.SandboxServer`.

PYTEST_DONT_REWRITE: nothing is asserted here.
"""

import base64
import contextlib
import gzip
import html
import json
import re
import sqlite3
import traceback
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, quote_plus

import pyarrow as pa
import pyarrow.parquet as pq

from ignite_assets.sandbox import SandboxServer

_T = TypeVar("_T")

SHORTEST = 6
"""Characters of the shortest secret that can be told from chance."""

_DEEPEST = 8
"""Steps from an exception to what is still searched."""


@dataclass(frozen=True)
class Leak:
    """A secret that was found: its name, how it was written, and where. Never the secret itself."""

    secret: str
    form: str
    where: str

    def __str__(self) -> str:
        return f"{self.secret}, {self.form}, in {self.where}"


def find_leaks(
    secrets: Mapping[str, str] | Iterable[str],
    *,
    folders: Iterable[Path] = (),
    texts: Mapping[str, str | bytes] | Iterable[str | bytes] = (),
    objects: Iterable[object] = (),
    rows: bool = True,
) -> list[Leak]:
    """Where the secrets stand, each place once for each form; empty when nothing leaked.

    `secrets`: tokens, secrets, e-mail addresses, by the names that the leaks give them. `folders`: every file below
    them, and its name. `objects`: their `str` and `repr`; of an exception its traceback's text, causes, contexts,
    arguments, notes, attributes and what those hold. `rows=False` leaves out the rows of Parquet files, which may
    hold people by design, and searches what the files say of themselves.

    Raises `ValueError` for a secret too short to be told from chance.
    """
    search = _Search(_named(secrets, "secret"), rows=rows)
    for folder in folders:
        search.folder(folder)
    for name, text in _named(texts, "text").items():
        search.data(_as_bytes(text), name)
    for number, subject in enumerate(objects, 1):
        search.subject(subject, f"object {number} ({type(subject).__name__})")
    return sorted(search.leaks, key=str)


def _named(given: Mapping[str, _T] | Iterable[_T], kind: str) -> dict[str, _T]:
    if isinstance(given, str | bytes):
        raise TypeError(f"several {kind}s are expected, not one")
    if isinstance(given, Mapping):
        return dict(given)
    return {f"{kind} {number}": each for number, each in enumerate(given, 1)}


# How a secret may be written.


def written_forms(secret: str) -> dict[bytes, str]:
    """Each way in which a secret may stand in a file, with its name."""
    forms: dict[bytes, str] = {}
    for spelled in dict.fromkeys((secret, secret.strip(), secret.lower())):
        for name, text in _texts(spelled):
            for encoding in ("utf-8", "utf-16-le", "utf-16-be", "latin-1"):
                with contextlib.suppress(UnicodeEncodeError):
                    described = name if encoding == "utf-8" else f"{name}, {encoding}"
                    forms.setdefault(text.encode(encoding), described)
    return forms


def _texts(secret: str) -> Iterator[tuple[str, str]]:
    yield "as it is", secret
    yield from ((f"percent-encoded{twice}", text) for twice, text in _percent_encoded(secret))
    for ascii_only in (True, False):
        once = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield "as JSON", once
        yield "as JSON in JSON", json.dumps(once, ensure_ascii=ascii_only)[1:-1]
    yield "in HTML", html.escape(secret)
    yield "in HTML", html.escape(secret, quote=False)
    for shown in (repr(secret), ascii(secret), repr(secret.encode())[1:]):
        yield "as Python shows it", shown[1:-1]
        yield "as Python shows it, as JSON", json.dumps(shown[1:-1])[1:-1]
    yield from (("in base64", text) for text in _base64(secret.encode()))
    yield "in hexadecimal", secret.encode().hex()


def _percent_encoded(secret: str) -> Iterator[tuple[str, str]]:
    for text in (quote(secret), quote(secret, safe=""), quote_plus(secret), secret.replace(" ", "%20")):
        for cased in (text, re.sub("%..", lambda code: code[0].lower(), text)):
            yield "", cased
            yield " twice", quote(cased, safe="")


def _base64(raw: bytes) -> Iterator[str]:
    """What of the secret's base64 doesn't depend on its neighbours, wherever in a group of three it begins."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        whole = encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield whole
        yield whole.translate(str.maketrans("+/", "-_"))


# Where it may stand.


class _Search:
    """The secrets that are looked for, and what was found of them."""

    def __init__(self, secrets: Mapping[str, str], *, rows: bool) -> None:
        if short := sorted(name for name, secret in secrets.items() if len(secret.strip()) < SHORTEST):
            raise ValueError(f"shorter than {SHORTEST} characters, so found by chance: {', '.join(short)}")
        self.leaks: set[Leak] = set()
        self._forms = {name: written_forms(secret) for name, secret in secrets.items()}
        self._rows = rows

    def data(self, data: bytes, where: str) -> None:
        for name, forms in self._forms.items():
            for form, described in forms.items():
                if form in data:
                    self.leaks.add(Leak(name, described, self._masked(where)))

    def _masked(self, where: str) -> str:
        """A place in words that don't repeat the secret: a file may be named after it."""
        raw = where.encode(errors="surrogateescape")
        for forms in self._forms.values():
            for form in forms:
                raw = raw.replace(form, b"***")
        return raw.decode(errors="replace")

    def folder(self, folder: Path) -> None:
        if not folder.is_dir():
            raise NotADirectoryError(f"there is no folder {folder}")
        for path in sorted(folder.rglob("*")):
            where = str(path.relative_to(folder))
            self.data(where.encode(errors="surrogateescape"), f"the name {where}")
            if path.is_file():
                self._file(path, where)

    def _file(self, path: Path, where: str) -> None:
        data = path.read_bytes()
        if data.startswith(b"PAR1") and self._parquet(path, where) and not self._rows:
            return  # the bytes hold rows, and the smallest and largest value of each column
        self.data(data, where)
        if data.startswith(b"SQLite format 3\0"):
            self._database(path, where)
        self._packed(data, where)

    def _packed(self, data: bytes, where: str) -> None:
        if data[:2] == b"\x1f\x8b":
            with contextlib.suppress(OSError, EOFError, zlib.error):
                self.data(gzip.decompress(data), f"{where}, unpacked")
        elif data[:1] == b"\x78":  # what Dagster keeps its snapshots in
            with contextlib.suppress(zlib.error):
                self.data(zlib.decompress(data), f"{where}, unpacked")

    def _database(self, path: Path, where: str) -> None:
        """Every value: a long one is cut into pages in the file, and some are packed."""
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.text_factory = bytes
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                name = table.decode(errors="replace")
                place = f"{where}, table {name}"
                quoted = name.replace('"', '""')
                for row in database.execute(f'SELECT * FROM "{quoted}"'):  # noqa: S608 - a name it gave itself
                    for value in row:
                        if isinstance(value, bytes):
                            self.data(value, place)
                            self._packed(value, place)

    def _parquet(self, path: Path, where: str) -> bool:
        """The footer's own words, and the rows, which are compressed in the file. False for a torn file."""
        try:
            file = pq.ParquetFile(path)
            for key, value in (file.metadata.metadata or {}).items():
                self.data(key + b"=" + value, f"{where}, footer")
            shown = file.schema_arrow.to_string(truncate_metadata=False, show_field_metadata=True)
            self.data(f"{shown}\n{file.metadata.created_by}".encode(), f"{where}, footer")
            for batch in file.iter_batches() if self._rows else ():
                rows = (json.dumps(row, ensure_ascii=False, default=str) for row in batch.to_pylist())
                self.data(_as_bytes("\n".join(rows)), f"{where}, rows")
        except pa.ArrowInvalid:
            return False
        return True

    def subject(self, subject: object, where: str) -> None:
        if isinstance(subject, BaseException):
            self._exception(subject, where)
        else:
            self._shown(subject, where)

    def _shown(self, subject: object, where: str) -> None:
        for show in (str, repr, format):
            with contextlib.suppress(Exception):  # one that can't be shown shows nothing
                self.data(_as_bytes(show(subject)), f"{where}, {show.__name__}")

    def _exception(self, error: BaseException, where: str) -> None:
        self.data(_as_bytes("".join(traceback.format_exception(error))), f"{where}, traceback")
        for reached, way in _reachable(error):
            if isinstance(reached, str | bytes):
                self.data(_as_bytes(reached), f"{where}{way}")
            elif isinstance(reached, BaseException):
                self._shown(reached, f"{where}{way}")


def _as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode(errors="surrogatepass")


def _reachable(error: BaseException) -> Iterator[tuple[object, str]]:
    """What hangs on an exception, with the way to it. Not the frames of its traceback: local variables may hold it."""
    seen: set[int] = set()
    waiting: list[tuple[object, str, int]] = [(error, "", 0)]
    while waiting:
        current, way, depth = waiting.pop()
        if id(current) in seen or depth > _DEEPEST:
            continue
        seen.add(id(current))
        yield current, way
        waiting += [(held, f"{way}{step}", depth + 1) for step, held in _held(current)]


def _held(holder: object) -> Iterator[tuple[str, object]]:
    if isinstance(holder, BaseException):
        yield from ((f".{name}", getattr(holder, name)) for name in ("__cause__", "__context__", "args"))
    if isinstance(holder, Mapping):
        for number, pair in enumerate(list(holder.items())):
            yield from ((f"[{number}]", each) for each in pair)
    elif isinstance(holder, tuple):  # some of Dagster's refuse to be iterated over by others
        yield from ((f"[{number}]", each) for number, each in enumerate(tuple.__iter__(holder)))
    elif isinstance(holder, list | set | frozenset):
        yield from ((f"[{number}]", each) for number, each in enumerate(holder))
    elif not isinstance(holder, type) and not callable(holder):
        yield from ((f".{name}", value) for name, value in getattr(holder, "__dict__", {}).items())


# The sandbox.

try:
    import pytest
except ImportError:  # without pytest there is still the search
    pass
else:

    @pytest.fixture
    def ignite_sandbox() -> Iterator[SandboxServer]:
        """A running platform of its own on a free loopback port; `url`, `websites`, `faults` and `requests`."""
        with SandboxServer() as server:
            yield server
