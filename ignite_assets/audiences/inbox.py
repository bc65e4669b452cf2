"""The drop folder: `<inbox>/<website>/<file>`, addresses, and `<inbox>/<website>/hashes/<file>`, hashes alone.

A file is dealt with once it is complete: when its size and time are what they were at the look before. What was
dealt with goes to `processed/` beside it, and a list of the lines that held nobody, by number, stays there.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow.fs as pafs

from ignite_assets.audiences.opt_outs import Reject, rejects_file
from ignite_assets.audiences.store import Store

PROCESSED = "processed"
HASHES = "hashes"
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
        selector = pafs.FileSelector(store.path(folder), allow_not_found=True)
        for info in store.filesystem.get_file_info(selector):
            if info.type == pafs.FileType.File and not info.base_name.startswith((".", "_")):
                name = info.base_name if folder == website else f"{HASHES}/{info.base_name}"
                yield Dropped(website, name, int(info.size), int(info.mtime_ns or 0))


def put_away(store: Store, file: Dropped, rejects: tuple[Reject, ...], *, keep: bool) -> None:
    """Move a file that was dealt with out of the way, and delete it unless it is to be kept; its rejects stay."""
    processed = f"{file.website}/{PROCESSED}/{file.name.replace('/', '-')}"
    if rejects:
        store.put(f"{processed}.rejects.csv", rejects_file(rejects))
    store.move(file.path, processed)
    if not keep:
        store.delete(processed)


@dataclass
class Looks:
    """What a sensor saw of the inbox, and keeps as its cursor: a file is complete when two looks agree."""

    seen: dict[str, str] = field(default_factory=dict)
    """By path, the file's version at the last look."""
    asked: dict[str, list[float]] = field(default_factory=dict)
    """By path and version: how many times its submission was asked for, and the time before which it isn't again."""

    @classmethod
    def read(cls, text: str | None) -> "Looks":
        """The sensor's cursor, read back."""
        return cls(**json.loads(text)) if text else cls()

    def text(self) -> str:
        """The cursor to keep."""
        return json.dumps(self.__dict__, sort_keys=True)

    def take_in(self, files: Iterable[Dropped], under_way: Collection[str], *, now: float) -> list[tuple[Dropped, int]]:
        """The files to submit at a time (seconds since 1970), each with how often it was asked for before.

        `under_way`: the paths that a run is dealing with. A file that is still there when no run is any more was not
        submitted whole, and is asked for again, after waits that double.
        """
        by_key = {f"{file.path}@{file.version}": file for file in files}
        complete = {key: file for key, file in by_key.items() if self.seen.get(file.path) == file.version}
        self.seen = {file.path: file.version for file in by_key.values()}
        self.asked = {key: known for key, known in self.asked.items() if key in by_key}
        wanted = []
        for key, file in sorted(complete.items()):
            tries, not_before = self.asked.get(key, [0, 0])
            if file.path not in under_way and now >= not_before:
                wanted.append((file, int(tries)))
                self.asked[key] = [tries + 1, now + min(_FIRST_WAIT_SECONDS * 2**tries, _LONGEST_WAIT_SECONDS)]
        return wanted
