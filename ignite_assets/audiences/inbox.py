"""The drop folder: `<inbox>/<website>/<file>`, addresses, and `<inbox>/<website>/hashes/<file>`, hashes alone.

A file is dealt with once it is complete: when its size and time are what they were at the look before. Names that
begin with `.` or `_`, or end as unfinished transfers do, are passed over. What was dealt with goes to `processed/`
beside it, its name behind the first digits of its SHA-256, which the ledger has too. What could not be accounted for
stays there as `….rejects`, readable by its owner alone, until a person deletes it: the rejected lines with their
content, or the whole file.
"""

import contextlib
import csv
import hashlib
import io
import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow.fs as pafs

from ignite_assets.audiences.drops.tables import Reject
from ignite_assets.storage.store import Store

PROCESSED = "processed"
HASHES = "hashes"
_UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".tmp", "~")
_DELETED = ".deleted"
_REJECTS = ".rejects"
_OWNER_ALONE = 0o600
_DIGITS = 12
_FIRST_WAIT_SECONDS = 60
_LONGEST_WAIT_SECONDS = 6 * 3600


@dataclass(frozen=True, order=True)
class Dropped:
    """One file of the inbox."""

    website: str
    name: str
    """Below the website's folder."""
    size: int
    changed: int
    """Nanoseconds since 1970."""

    @property
    def path(self) -> str:
        """Its name in the inbox."""
        return f"{self.website}/{self.name}"

    @property
    def label(self) -> str:
        """What it is called in runs and their records: its name, unless that may hold an address."""
        if "@" not in self.name and "%40" not in self.name:
            return self.name
        hidden = f"file-{hashlib.sha256(self.name.encode()).hexdigest()[:16]}"
        return f"{HASHES}/{hidden}" if self.of_hashes else hidden

    @property
    def key(self) -> str:
        """What it is called among the files of all websites."""
        return f"{self.website}/{self.label}"

    @property
    def version(self) -> str:
        """What changes when the file does."""
        return f"{self.size}-{self.changed}"

    @property
    def is_whole(self) -> bool:
        """Whether its name is not that of a file that is still written, nor one of our own."""
        *folders, name = self.path.split("/")
        hidden = any(part.startswith((".", "_")) for part in (*folders, name))
        return not (hidden or PROCESSED in folders[1:] or name.lower().endswith(_UNFINISHED))

    @property
    def is_waiting(self) -> bool:
        """Whether it stands where files are dropped."""
        return self.is_whole and self.name.count("/") == self.of_hashes and bool(self.name)

    def aside(self, folder: str, source: str, name: str) -> str:
        """Where it goes under a name, in a folder beside the dropped files."""
        *begin, name = name.split("/")
        return "/".join([self.website, folder, *begin, f"{source}-{name}"])

    @property
    def of_hashes(self) -> bool:
        """Whether it holds hashes rather than addresses."""
        return self.name.startswith(f"{HASHES}/")


def dropped(store: Store, websites: Collection[str]) -> list[Dropped]:
    """The files that wait in the inbox for these websites, sorted."""
    return sorted(file for file in _all(store, "") if file.website in websites and file.is_waiting)


def of_website(store: Store, website: str) -> list[Dropped]:
    """The files that wait for one website, sorted."""
    return sorted(file for file in _all(store, website) if file.is_waiting)


def astray(store: Store, websites: Collection[str]) -> int:
    """How many files of the inbox stand in no website's folder, or too deep: nobody would deal with them."""
    known = set(websites)
    return sum(file.is_whole and not (file.website in known and file.is_waiting) for file in _all(store, ""))


def _all(store: Store, folder: str) -> Iterator[Dropped]:
    """Every file below a folder, whatever it is: one request to an object store."""
    base = store.path("")
    for info in store.infos(folder):
        if info.type == pafs.FileType.File:
            website, _, name = info.path.removeprefix(f"{base}/").partition("/")
            yield Dropped(website, name, int(info.size), int(info.mtime_ns or 0))


def put_away(store: Store, file: Dropped, data: bytes, rejects: Sequence[Reject], *, keep: bool) -> bool:
    """Move a file that was dealt with out of the way, and delete it unless it is to be kept; its rejects stay.

    `data`: what was dealt with. False, and the file stays in the inbox, when it holds something else by now: then
    people were added whom nobody has read yet.
    """
    return _put_away(store, file, data, _rejects_file(rejects) if rejects else b"", keep=keep)


def put_aside(store: Store, file: Dropped, data: bytes) -> bool:
    """Keep the whole of a file of which nothing could be accounted for, as rejects; False when it was changed."""
    return _put_away(store, file, data, data, keep=False)


def _put_away(store: Store, file: Dropped, data: bytes, rejects: bytes, *, keep: bool) -> bool:
    source = hashlib.sha256(data).hexdigest()[:_DIGITS]
    if not store.exists(file.path) or _digest(store, file.path) != source:
        return False
    if rejects:
        _put_private(store, f"{file.aside(PROCESSED, source, file.label)}{_REJECTS}", rejects)
    aside = file.aside(PROCESSED if keep else _DELETED, source, file.name)
    store.move(file.path, aside)
    return _is_as_it_was(store, aside) if keep else _delete(store, aside)


def rejects(store: Store, websites: Collection[str]) -> dict[str, list[str]]:
    """By website, the files of rejects that wait for a person, by their names in the inbox."""
    found: dict[str, list[str]] = {}
    for file in sorted(_all(store, "")):
        if file.website in websites and file.name.startswith(f"{PROCESSED}/") and file.name.endswith(_REJECTS):
            found.setdefault(file.website, []).append(file.path)
    return found


def _put_private(store: Store, name: str, data: bytes) -> None:
    if not store.is_local:
        store.put(name, data)
        return
    with store.writing(name) as out:
        os.fchmod(out.fileno(), _OWNER_ALONE)
        out.write(data)


def _rejects_file(lines: Iterable[Reject]) -> bytes:
    """The rejected lines as CSV: number, reason, and the line as it stood."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["line", "reason", "content"])
    rows.writerows([each.line, each.reason, each.content] for each in lines)
    return text.getvalue().encode(errors="surrogateescape")


def clear(store: Store, websites: Collection[str]) -> None:
    """Delete what a process that was killed had dealt with and was about to delete."""
    for file in _all(store, ""):
        if file.website in websites and file.name.startswith(f"{_DELETED}/"):
            with contextlib.suppress(FileNotFoundError):  # by its own process, a moment ago
                _delete(store, file.path)


def _delete(store: Store, aside: str) -> bool:
    there = _is_as_it_was(store, aside)
    if there:
        store.delete(aside)
    return there


def _is_as_it_was(store: Store, aside: str) -> bool:
    """Whether a file that was moved holds what was dealt with; one that changed meanwhile goes back to the inbox."""
    website, _, *begin, name = aside.split("/")
    source, _, name = name.partition("-")
    if _digest(store, aside) == source:
        return True
    store.move(aside, "/".join([website, *begin, f"again-{name}"]))
    return False


def _digest(store: Store, name: str) -> str:
    return hashlib.sha256(store.read(name)).hexdigest()[:_DIGITS]


@dataclass
class Looks:
    """What a sensor saw of the inbox, and keeps as its cursor: a file is complete when two looks agree."""

    seen: dict[str, str] = field(default_factory=dict)
    """By key, the file's version at the last look."""
    asked: dict[str, list[float]] = field(default_factory=dict)
    """By key and version: how many times its submission was asked for, and the time before which it isn't again."""

    @classmethod
    def read(cls, text: str | None) -> "Looks":
        """The sensor's cursor, read back."""
        return cls(**json.loads(text)) if text else cls()

    def text(self) -> str:
        """The cursor to keep."""
        return json.dumps(self.__dict__, sort_keys=True)

    def take_in(self, files: Iterable[Dropped], under_way: Collection[str], *, now: float) -> list[tuple[Dropped, int]]:
        """The files to submit at a time (seconds since 1970), each with how often it was asked for before.

        `under_way`: the keys of files that a run is dealing with. A file that is still there when no run is any more
        was not submitted whole, and is asked for again, after waits that double.
        """
        by_key = {f"{file.key}@{file.version}": file for file in files}
        complete = {key: file for key, file in by_key.items() if self.seen.get(file.key) == file.version}
        self.seen = {file.key: file.version for file in by_key.values()}
        self.asked = {key: known for key, known in self.asked.items() if key in by_key}
        wanted = []
        for key, file in sorted(complete.items()):
            tries, not_before = self.asked.get(key, [0, 0])
            if file.key not in under_way and now >= not_before:
                wanted.append((file, int(tries)))
                self.asked[key] = [tries + 1, now + again_after(int(tries))]
        return wanted


def again_after(tries: int) -> int:
    """The seconds to wait after so many tries that went wrong: a minute, doubled each time, at most six hours."""
    return min(_FIRST_WAIT_SECONDS << min(tries, 16), _LONGEST_WAIT_SECONDS)
