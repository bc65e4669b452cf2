"""Where exports stand, how one becomes the export of its date, and which was sent last.

Layout: `<to>/<rule>/website=<website>/date=<date>/[audience=<id>/]`, in it the files to upload, `_sent.parquet` and
`manifest.json`.

Commit: everything is first written to `.staged/`, its manifest last, in one piece. From that moment the export is
decided; before it, the folder is as it was. Then `manifest.json` of an earlier export of the date goes, the files
take their places, and the new manifest takes its own, last. So a manifest never stands beside files that it doesn't
describe, and whoever finds a staged manifest (after a crash) finishes the work or reads the export from there.
"""

import contextlib
import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from ignite_assets.audiences.destinations import Action
from ignite_assets.audiences.manifest import FileEntry, Manifest, load
from ignite_assets.storage.store import Store

MANIFEST = "manifest.json"
SENT = "_sent.parquet"
_STAGED = ".staged"
_COPY_BYTES = 1 << 20
_IN_PATH = re.compile(
    rf"/date=(?P<date>\d{{4}}-\d\d-\d\d)/(?:audience=(?P<audience>\d+)/)?(?:{re.escape(_STAGED)}/)?{MANIFEST}$"
)


@dataclass(frozen=True)
class List:
    """One list on a platform: of a rule and a website, and of an audience where lists aren't combined."""

    rule: str
    website: str
    audience: int | None = None

    @property
    def name(self) -> str:
        """What it is called on the platform."""
        return f"{self.rule} {self.website}" + ("" if self.audience is None else f" {self.audience}")

    def folder(self, day: dt.date) -> str:
        """Its export's folder for a date, below `to`."""
        inner = "" if self.audience is None else f"/audience={self.audience}"
        return f"{self.rule}/website={self.website}/date={day.isoformat()}{inner}"


@dataclass(frozen=True)
class Sent:
    """An export that exists."""

    store: Store
    folder: str
    """Below `to`."""
    manifest: Manifest
    manifest_sha256: str

    @property
    def state(self) -> tuple[Store, str]:
        """Where its list of what was sent is."""
        return self.store, _where(self.store, self.folder, SENT)

    def location(self, name: str) -> str:
        """One of its files, as a user writes the place."""
        return self.store.location(_where(self.store, self.folder, name))


def exports(store: Store, rule: str, website: str) -> dict[List, list[dt.date]]:
    """The dates of all exports of a rule for a website, in order, list by list."""
    found: dict[List, set[dt.date]] = {}
    for name in store.files(f"{rule}/website={website}"):
        if match := _IN_PATH.search(name):
            audience = None if match["audience"] is None else int(match["audience"])
            found.setdefault(List(rule, website, audience), set()).add(dt.date.fromisoformat(match["date"]))
    return {each: sorted(days) for each, days in found.items()}


def read(store: Store, of: List, day: dt.date) -> Sent:
    """The export of a list for a date. `FileNotFoundError` when there is none."""
    folder = of.folder(day)
    data = store.read(_where(store, folder, MANIFEST))
    return Sent(store, folder, load(data), hashlib.sha256(data).hexdigest())


def last_sent(store: Store, of: List) -> Sent | None:
    """The newest export of a list; None when nothing was ever sent."""
    days = exports(store, of.rule, of.website).get(of)
    return read(store, of, days[-1]) if days else None


def settle(store: Store, folder: str) -> None:
    """Finish an export that was decided; clear away one that was not."""
    staged = f"{folder}/{_STAGED}"
    if store.exists(f"{staged}/{MANIFEST}"):
        manifest = load(store.read(f"{staged}/{MANIFEST}"))
        wanted = [entry.name for entry in (*manifest.files, manifest.sent)]
        store.delete(f"{folder}/{MANIFEST}")
        for name in wanted:
            if store.exists(f"{staged}/{name}"):
                store.move(f"{staged}/{name}", f"{folder}/{name}")
        _delete_others(store, folder, wanted)
        store.move(f"{staged}/{MANIFEST}", f"{folder}/{MANIFEST}")
    store.delete_folder(staged)


def finish(store: Store, known: Mapping[List, list[dt.date]]) -> None:
    """Put the newest export of each list in its place, where a crash came between.

    The next one follows on from it, and whoever uploads it looks for manifests alone.
    """
    for of, days in known.items():
        folder = of.folder(days[-1])
        if store.exists(f"{folder}/{_STAGED}/{MANIFEST}"):
            settle(store, folder)


class Draft:
    """An export being written: nobody sees it until it is committed."""

    def __init__(self, store: Store, folder: str) -> None:
        """Begin, in a folder that may hold an earlier export of the date, or what a crash left."""
        self._store, self._folder = store, folder
        settle(store, folder)

    def write(self, name: str, pieces: Iterable[bytes], *, rows: int, action: Action | None = None) -> FileEntry:
        """Write one file; returns its entry for the manifest."""
        digest, size = hashlib.sha256(), 0
        with self._store.writing(f"{self._folder}/{_STAGED}/{name}") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
        return FileEntry(name=name, bytes=size, sha256=digest.hexdigest(), action=action, rows=rows)

    def commit(self, manifest: Manifest) -> None:
        """Make it the export of its date."""
        self._store.put(f"{self._folder}/{_STAGED}/{MANIFEST}", manifest.dump())
        settle(self._store, self._folder)

    def abandon(self) -> None:
        """Leave the folder as it was, unless the export was decided; as far as the store still answers."""
        staged = f"{self._folder}/{_STAGED}"
        with contextlib.suppress(OSError):
            if not self._store.exists(f"{staged}/{MANIFEST}"):
                self._store.delete_folder(staged)


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    """A file in pieces."""
    while piece := file.read(_COPY_BYTES):
        yield piece


def _where(store: Store, folder: str, name: str) -> str:
    """A file's place: of an export that is decided and not yet in place, the staged one."""
    staged = f"{folder}/{_STAGED}"
    decided = store.exists(f"{staged}/{MANIFEST}")
    return f"{staged}/{name}" if decided and store.exists(f"{staged}/{name}") else f"{folder}/{name}"


def _delete_others(store: Store, folder: str, wanted: list[str]) -> None:
    """Delete what an earlier export of the date left; deeper folders are other lists' own."""
    for path in store.files(folder):
        name = path.removeprefix(f"{folder}/")
        if "/" not in name and name not in wanted:
            store.delete(path)
