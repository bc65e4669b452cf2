"""The drop folder: `<inbox>/<website>/<file>`, addresses, and `<inbox>/<website>/hashes/<file>`, hashes alone.

A file is dealt with once it is complete: when its size and time are what they were at the look before. Names that
begin with `.` or `_`, or end as unfinished transfers do, are passed over. What was dealt with goes to `processed/`
beside it, its name behind the first digits of its SHA-256, which the ledger has too; and a list of the lines that
held nobody, by number, stays there.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow.fs as pafs

from ignite_assets.audiences.opt_outs import Reject, rejects_file
from ignite_assets.audiences.store import Store

PROCESSED = "processed"
HASHES = "hashes"
_UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".tmp", "~")
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
    def of_hashes(self) -> bool:
        """Whether it holds hashes rather than addresses."""
        return self.name.startswith(f"{HASHES}/")


def dropped(store: Store, websites: Iterable[str]) -> list[Dropped]:
    """The files that wait in the inbox, sorted."""
    return sorted(file for website in websites for file in _of_website(store, website))


def _of_website(store: Store, website: str) -> Iterator[Dropped]:
    for folder in (website, f"{website}/{HASHES}"):
        for info in _listed(store, folder):
            if info.type == pafs.FileType.File and not _is_passed_over(info.base_name):
                name = info.base_name if folder == website else f"{HASHES}/{info.base_name}"
                yield Dropped(website, name, int(info.size), int(info.mtime_ns or 0))


def _is_passed_over(name: str) -> bool:
    return name.startswith((".", "_")) or name.lower().endswith(_UNFINISHED)


def astray(store: Store, websites: Iterable[str]) -> int:
    """How many files and folders of the inbox belong to no website: nobody would deal with them."""
    known = set(websites)
    return sum(not _is_passed_over(i.base_name) and i.base_name not in known for i in _listed(store, ""))


def _listed(store: Store, folder: str) -> list[pafs.FileInfo]:
    selector = pafs.FileSelector(store.path(folder).rstrip("/"), allow_not_found=True)
    return list(store.filesystem.get_file_info(selector))


def put_away(store: Store, file: Dropped, data: bytes, rejects: tuple[Reject, ...], *, keep: bool) -> bool:
    """Move a file that was dealt with out of the way, and delete it unless it is to be kept; its rejects stay.

    `data`: what was dealt with. False, and the file stays in the inbox, when it holds something else by now: then
    people were added whom nobody has read yet.
    """
    source = hashlib.sha256(data).hexdigest()
    if not _holds(store, file.path, source):
        return False
    folder = f"{file.website}/{PROCESSED}/"
    processed = f"{folder}{source[:12]}-{file.name.replace('/', '-')}"
    if rejects:
        store.put(f"{folder}{source[:12]}-{file.label.replace('/', '-')}.rejects.csv", rejects_file(rejects))
    store.move(file.path, processed)
    if not _holds(store, processed, source):  # it changed while it was moved
        begin = f"{HASHES}/" if file.of_hashes else ""
        store.move(processed, f"{file.website}/{begin}again-{file.name.removeprefix(begin)}")
        return False
    if not keep:
        store.delete(processed)
    return True


def _holds(store: Store, name: str, source: str) -> bool:
    return store.exists(name) and hashlib.sha256(store.read(name)).hexdigest() == source


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
                self.asked[key] = [tries + 1, now + _wait(int(tries))]
        return wanted


def _wait(tries: int) -> int:
    return min(_FIRST_WAIT_SECONDS << min(tries, 16), _LONGEST_WAIT_SECONDS)
