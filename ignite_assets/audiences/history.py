"""A list's exports: where they stand, which follows on which, and how one is committed.

Layout: `<to>/<name>/website=<website>/[audience=<id>/]`, in it `manifest.json`, which names the newest export, and a
folder for each export, `<number>-<date>-<id>/`, with its files, its state and a `manifest.json` of its own. The id is
made from the manifest, which has the SHA-256 of every file; nothing in the folder ever changes.

Commit: the folder's manifest is written last, and makes it an export. Then the list's `manifest.json` is replaced. A
folder without a manifest is what a killed writer left; it is deleted after `LEFT_OVER`.

Two writers that follow the same export both succeed: neither is undone, and the next one follows both (`Chain`).
Numbers are counts of exports reckoned with, so where the highest number is the count of exports, nothing has branched.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.fs as pafs

from ignite_assets.api.errors import IgniteError
from ignite_assets.audiences.lists import List
from ignite_assets.audiences.manifest import FileEntry, Follows, Manifest, load
from ignite_assets.storage.store import Listed, Store

MANIFEST = "manifest.json"
LEFT_OVER = dt.timedelta(days=7)
"""So long a folder without a manifest stays: its writer may still be at work, or an upload under way."""

_FOLDER = re.compile(r"(?P<number>\d{6,})-(?P<date>\d{4}-\d\d-\d\d)-(?P<id>[0-9a-f]{16})")
_EARLIER = re.compile(r"date=(?P<date>\d{4}-\d\d-\d\d)/(?:audience=(?P<audience>\d+)/)?(?:\.staged/)?manifest\.json")
_COPY_BYTES = 1 << 23


class DamagedError(IgniteError):
    """What is recorded of a list's exports can't be relied on: nothing is reckoned from it."""


@dataclass(frozen=True)
class Export:
    """One committed export of a list."""

    of: List
    folder: str
    """Below the list's own; of one that version 0.1.0 wrote, below the website's."""
    manifest: Manifest
    sha256: str
    """Of the manifest."""

    @property
    def is_earlier(self) -> bool:
        """Whether version 0.1.0 wrote it."""
        return not _FOLDER.fullmatch(self.folder)

    @property
    def path(self) -> str:
        """The folder below `to`."""
        return f"{self.of.base if self.is_earlier else self.of.folder}/{self.folder}"

    def location(self, name: str = "") -> str:
        """The folder, or a file in it, as a user writes the place."""
        return Store(self.of.to).location(f"{self.path}/{name}" if name else self.path)


@dataclass(frozen=True)
class Chain:
    """What the next export of a list follows."""

    heads: tuple[Export, ...] = ()
    """Exports that no other follows; the newest last. More than one where two writers followed the same."""
    reckoned: tuple[Export, ...] = ()
    """The heads, and what they don't all follow: anything of these may be on the platform."""
    count: int = 0
    """Exports, those of version 0.1.0 aside."""

    @property
    def last(self) -> Export | None:
        """The newest export."""
        return self.heads[-1] if self.heads else None

    @property
    def follows(self) -> tuple[Follows, ...]:
        """The heads, as the next manifest names them."""
        return tuple(Follows(folder=head.folder, sha256=head.sha256) for head in self.heads)


def read(of: List) -> Chain:
    """What is to be followed, checked. Raises `DamagedError`, which names the file."""
    store = Store(of.to)
    listed = store.listing(of.folder)
    manifests = _manifests(listed, of)
    if not manifests:
        earlier = _newest_earlier(store, of) if listed or of.folder != of.base else None
        found = () if earlier is None else (_export(store, of, earlier),)
        return Chain(found, found)
    last = max(manifests)
    newest = _export(store, of, last, manifests[last])
    if newest.manifest.number == len(manifests):
        return Chain((newest,), (newest,), len(manifests))
    return _branched({folder: _export(store, of, folder, info) for folder, info in manifests.items()})


def newest(of: List, day: dt.date | None = None) -> Export | None:
    """The newest export of a list, or the newest one for a date or before. Raises `DamagedError`."""
    store = Store(of.to)
    manifests = _manifests(store.listing(of.folder), of)
    if found := max((folder for folder in manifests if day is None or _date(folder) <= day), default=None):
        return _export(store, of, found, manifests[found])
    earlier = _newest_earlier(store, of, day)
    return _export(store, of, earlier) if earlier else None


def newest_by(of: List, moment: dt.datetime) -> Export | None:
    """The newest export that was written by a moment, or the first one of all. Raises `DamagedError`."""
    store = Store(of.to)
    export = None
    for folder, info in reversed(_manifests(store.listing(of.folder), of).items()):
        export = _export(store, of, folder, info)
        if export.manifest.written_at <= moment:
            break
    return export


def _date(folder: str) -> dt.date:
    return dt.date.fromisoformat(_FOLDER.sub(r"\g<date>", folder))


def _branched(exports: Mapping[str, Export]) -> Chain:
    """The heads among some exports, and what they don't all follow."""
    behind: dict[str, frozenset[str]] = {}
    for folder in exports:  # by number: an export comes after those that it follows
        known = [each.folder for each in exports[folder].manifest.follows if each.folder in exports]
        behind[folder] = frozenset({folder}).union(*(behind[each] for each in known))
    followed = {each.folder for export in exports.values() for each in export.manifest.follows}
    heads = [folder for folder in exports if folder not in followed]
    common = frozenset.intersection(*(behind[head] for head in heads))
    reckoned = [folder for folder in exports if folder in heads or folder not in common]
    return Chain(tuple(exports[f] for f in heads), tuple(exports[f] for f in reckoned), len(exports))


def _manifests(listed: Listed, of: List) -> dict[str, pafs.FileInfo]:
    """The folders of a list's exports, sorted, with their manifests' files."""
    return {folder: files[MANIFEST] for folder, files in _folders(listed, of).items() if MANIFEST in files}


def _folders(listed: Listed, of: List) -> Mapping[str, Listed]:
    """The folders of a list that are exports' or may become one, each with its files."""
    found: dict[str, dict[str, pafs.FileInfo]] = {}
    for name, info in listed.items():
        folder, _, file = name.removeprefix(f"{of.folder}/").partition("/")
        if file and _FOLDER.fullmatch(folder):
            found.setdefault(folder, {})[file] = info
    return found


def _newest_earlier(store: Store, of: List, day: dt.date | None = None) -> str | None:
    """The folder of the newest export that version 0.1.0 wrote; one that was decided and cut short is in `.staged`."""
    found: dict[str, str] = {}
    for name in store.files(of.base):
        match = _EARLIER.fullmatch(name.removeprefix(f"{of.base}/"))
        if not match or (match["audience"] and int(match["audience"])) != of.audience:
            continue
        if day is None or dt.date.fromisoformat(match["date"]) <= day:
            folder = name.removeprefix(f"{of.base}/").removesuffix(f"/{MANIFEST}")
            found[match["date"]] = max(folder, found.get(match["date"], ""))
    return found[max(found)] if found else None


def _export(store: Store, of: List, folder: str, info: pafs.FileInfo | None = None) -> Export:
    match = _FOLDER.fullmatch(folder)
    path = f"{of.folder if match else of.base}/{folder}/{MANIFEST}"
    data = store.read(path, info.size if info else None)
    digest = hashlib.sha256(data).hexdigest()
    if match and not digest.startswith(match["id"]):
        raise DamagedError(f"{store.location(path)}: its bytes are not those that were written")
    try:
        manifest = load(data)
    except ValueError as error:
        raise DamagedError(f"{store.location(path)}: {error}") from None
    if match and (manifest.name, manifest.website, manifest.audience) != (of.name, of.website, of.audience):
        raise DamagedError(f"{store.location(path)}: it is of another list, {manifest.name} {manifest.website}")
    return Export(of, folder, manifest, digest)


def fetch_state(export: Export, target: Path) -> None:
    """Copy an export's state to a local file, checked. Raises `DamagedError`."""
    entry, digest, size = export.manifest.state, hashlib.sha256(), 0
    store, name = Store(export.of.to), _state_of(export)
    try:
        with store.open(name, entry.bytes) as source, target.open("wb") as file:
            while piece := source.read(_COPY_BYTES):
                digest.update(piece)
                size += file.write(piece)
    except FileNotFoundError:
        raise DamagedError(f"{store.location(name)}: it is gone") from None
    if (size, digest.hexdigest()) != (entry.bytes, entry.sha256):
        raise DamagedError(f"{store.location(name)}: its bytes are not those that its manifest describes")


def _state_of(export: Export) -> str:
    """Where the state is: a kill may have left the manifest of version 0.1.0 in `.staged` and the state above it."""
    name = f"{export.path}/{export.manifest.state.name}"
    above = name.replace("/.staged/", "/")
    return above if name != above and not Store(export.of.to).exists(name) else name


def commit(of: List, manifest: Manifest, files: Sequence[tuple[FileEntry, Path]]) -> Export:
    """Make an export of finished local files, and delete what writers that were killed left of others."""
    store, data = Store(of.to), manifest.dump()
    digest = hashlib.sha256(data).hexdigest()
    folder = f"{manifest.number:06}-{manifest.date.isoformat()}-{digest[:16]}"
    for entry, path in files:
        with path.open("rb") as file:
            store.put(f"{of.folder}/{folder}/{entry.name}", file)
    store.put(f"{of.folder}/{folder}/{MANIFEST}", data)
    made = Export(of, folder, manifest, digest)
    _sweep(store, of, _point(store, of, made), manifest.written_at)
    return made


def _point(store: Store, of: List, made: Export) -> Mapping[str, Listed]:
    """Let the list's `manifest.json` name the newest export: of two writers, the one who is last looks again.

    Returns the folders that there are.
    """
    newest = made
    while True:
        store.put(f"{of.folder}/{MANIFEST}", newest.manifest.pointer(newest.folder))
        folders = _folders(store.listing(of.folder), of)
        last = max((folder for folder, files in folders.items() if MANIFEST in files), default="")
        if last <= newest.folder:
            return folders
        newest = _export(store, of, last, folders[last][MANIFEST])


def _sweep(store: Store, of: List, folders: Mapping[str, Listed], now: dt.datetime) -> None:
    """Delete folders that never became an export and that nobody has written to for `LEFT_OVER`."""
    for folder, files in folders.items():
        if MANIFEST not in files and all(info.mtime and now - info.mtime >= LEFT_OVER for info in files.values()):
            for name in files:
                store.delete(f"{of.folder}/{folder}/{name}")
