"""A tree of files on a local path or any file system that `pyarrow.fs` knows; none is ever half there.

Commit: a reader sees the file before or the new one, whole, whatever ends the writer. On a local path the new file is
written beside the old one under a hidden name, locked, synced and renamed. An object store gets an upload of finished
data, made in a thread of its own, where no signal raises an exception: a small file as one PUT, a large one in parts
under a hidden name, then by a copy within the store, since Arrow completes the object of an upload that fails.
"""

import contextlib
import datetime as dt
import fcntl
import io
import mmap
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeVar

import pyarrow as pa
import pyarrow.fs as pafs

from ignite_assets.storage.whole import SMALL_BYTES, read_whole

_COPY_BYTES = 1 << 20
_MEMORY_BYTES = 1 << 23
"""Of a file that waits in memory for its upload, which is one PUT; a larger one waits in the temporary folder."""
_PIECE_BYTES = 1 << 26
"""Of an upload, sent before the next piece is read: Arrow copies what it sends in the background."""
_RANDOM_BYTES = 8
_RANDOM = re.compile(rf"[0-9a-f]{{{2 * _RANDOM_BYTES}}}")
_USER = re.compile(r"(?<=://)[^/]*@")
_REMOTE_THREADS = 32
_Asked = TypeVar("_Asked")
_Told = TypeVar("_Told")
Listed = Mapping[str, pafs.FileInfo]
"""Files by their names, in order, as they were listed."""
_LEFTOVER_AGE = dt.timedelta(days=1)
"""An object under a hidden name that is older is no upload under way."""


def shown_root(root: str) -> str:
    """A root as it may be shown: a path, or a URL without its query and user, which may hold credentials."""
    return _USER.sub("", root.partition("?")[0]).rstrip("/") if "://" in root else root.rstrip("/")


class Store:
    """Files by their names below a root; a name has `/` between its folders and none at its ends."""

    def __init__(self, root: str, filesystem: pafs.FileSystem | None = None) -> None:
        """Take a path or a URL; or, with a file system of the caller's own, a path in it."""
        self.root = root.rstrip("/")
        if filesystem is not None:
            self.filesystem, self._base = filesystem, self.root
        elif "://" in root:
            self.filesystem, base = pafs.FileSystem.from_uri(_in_one_put(self.root))
            self._base = base.rstrip("/")
        else:
            self.filesystem, self._base = pafs.LocalFileSystem(), str(Path(root).absolute())
        self.is_local = isinstance(self.filesystem, pafs.LocalFileSystem)
        self._durable: dict[Path, int] = {}

    def __repr__(self) -> str:
        return f"Store({self.shown!r})"

    @property
    def shown(self) -> str:
        """The root as it may be shown: a path, or a URL without its query."""
        return shown_root(self.root)

    def path(self, name: str) -> str:
        """The file's path in the file system."""
        return f"{self._base}/{name}" if name else self._base

    def location(self, name: str) -> str:
        """The file's place as a user writes it: a path, or a URL without the query of the root's."""
        return f"{self.shown}/{name}"

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return bool(self.filesystem.get_file_info(self.path(name)).type == pafs.FileType.File)

    def infos(self, folder: str = "", *, recursive: bool = True) -> list[pafs.FileInfo]:
        """What is in a folder, and below it unless told otherwise; nothing when there is no such folder."""
        selector = pafs.FileSelector(self.path(folder), recursive=recursive, allow_not_found=True)
        return list(self.filesystem.get_file_info(selector))

    def files(self, folder: str) -> list[str]:
        """The names of all files in a folder and below it, sorted; none when there is no such folder."""
        return list(self.listing(folder))

    def listing(self, folder: str) -> Listed:
        """The same names, each with its size and time."""
        base = self.path("")
        infos = (info for info in self.infos(folder) if info.type == pafs.FileType.File)
        return {info.path.removeprefix(f"{base}/"): info for info in sorted(infos, key=lambda info: str(info.path))}

    def open(self, name: str, size: int | None = None) -> pa.NativeFile:
        """The file, to read. `FileNotFoundError` when there is none.

        A small file of an object store is read now, whole; `size`, from a listing, saves the question for it.
        """
        if size is not None and size <= SMALL_BYTES and not self.is_local:
            with contextlib.suppress(OSError):  # which doesn't tell an object that is gone from other trouble
                return pa.BufferReader(read_whole(self.filesystem, self.path(name), size))
        file = self.filesystem.open_input_file(self.path(name))
        if self.is_local or file.size() > SMALL_BYTES:
            return file
        with file:
            return pa.BufferReader(file.read())

    def each(self, ask: Callable[[_Asked], _Told], of: Iterable[_Asked]) -> list[_Told]:
        """What each answers, in their order; an object store is asked for many at a time."""
        if self.is_local:  # threads would only wait for each other
            return list(map(ask, of))
        with ThreadPoolExecutor(_REMOTE_THREADS) as threads:
            return list(threads.map(ask, of))

    def read(self, name: str, size: int | None = None) -> bytes:
        """All of the file; `size` as `open` takes it. `FileNotFoundError` when there is none."""
        with self.open(name, size) as file:
            return bytes(file.read())

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A file to write to, on this machine; it becomes the named one when the block ends well, else nothing."""
        if self.is_local:
            with self._replacing(name) as file:
                yield file
        else:
            with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as staged:
                yield staged
                self._upload(name, staged)

    def put(self, name: str, data: bytes | pa.Buffer | IO[bytes]) -> None:
        """Make these bytes, or those of a finished file, the whole of a file. Raises `OSError` and changes nothing."""
        source = io.BytesIO(data) if isinstance(data, bytes | pa.Buffer) else data
        source.seek(0)
        if self.is_local:
            with self._replacing(name) as file:
                shutil.copyfileobj(source, file, _COPY_BYTES)
        else:
            self._upload(name, source)

    def move(self, name: str, to: str) -> None:
        """Give a file another name; what had that name before is gone."""
        if not self.is_local:
            self.filesystem.move(self.path(name), self.path(to))
            return
        source, target = Path(self.path(name)), Path(self.path(to))
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        self._sync_to_root(target.parent)
        _sync(source.parent)

    def delete(self, name: str) -> None:
        """Delete a file, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(self.path(name))

    def check_access(self) -> None:
        """Raise `OSError` when the root can't be reached, or locally not be written to. Writes nothing."""
        if not self.is_local:
            bucket = self._base.partition("/")[0]
            if self.filesystem.get_file_info(bucket).type == pafs.FileType.NotFound:
                raise FileNotFoundError(f"there is no bucket {bucket}, or none that these credentials may see")
            return
        nearest = next(p for p in (Path(self._base), *Path(self._base).parents) if p.exists())
        if not nearest.is_dir():
            raise NotADirectoryError(f"{nearest} is a file where a folder belongs")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise PermissionError(f"no permission to write in {nearest}")

    def _upload(self, name: str, file: IO[bytes]) -> None:
        """Put an object in place, whole or not at all; a large one with bounded memory.

        The bytes are at hand before the object is opened, so that nothing but the upload itself can fail.
        """

        def upload() -> None:
            with _mapped(file) as data:
                if len(data) <= _MEMORY_BYTES:
                    self._send(name, data)
                else:
                    self._send_large(name, data)

        with ThreadPoolExecutor(1, thread_name_prefix="upload") as thread:
            thread.submit(upload).result()

    def _send_large(self, name: str, data: memoryview) -> None:
        folder, _, last = name.rpartition("/")
        self._remove_old_uploads(folder, last)
        hidden = "/".join(filter(None, [folder, _hidden_name(last)]))
        try:
            self._send(hidden, data)
            self.filesystem.move(self.path(hidden), self.path(name))
        except BaseException:
            with contextlib.suppress(OSError):
                self.delete(hidden)
            raise

    def _send(self, name: str, data: memoryview) -> None:
        with self.filesystem.open_output_stream(self.path(name), compression=None) as target:
            for start in range(0, len(data), _PIECE_BYTES):
                target.write(data[start : start + _PIECE_BYTES])
                target.flush()

    def _remove_old_uploads(self, folder: str, last: str) -> None:
        """Delete what killed writers of an object left."""
        before = dt.datetime.now(dt.UTC) - _LEFTOVER_AGE
        for info in self.infos(folder, recursive=False):
            if _is_hidden(info.base_name, last) and info.mtime < before:
                self.filesystem.delete_file(info.path)

    @contextlib.contextmanager
    def _replacing(self, name: str) -> Iterator[IO[bytes]]:
        """A hidden local file that takes the named one's place when the block ends well."""
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        with _hidden(target) as (path, file):
            yield file
            file.flush()
            os.fsync(file.fileno())
            path.rename(target)
        self._sync_to_root(target.parent)

    def _sync_to_root(self, folder: Path) -> None:
        """Make a rename in a folder, and the folders that it may have needed, survive a power cut.

        What a folder stands in is synced once: the folder is known by its inode, so one that was made anew counts anew.
        """
        synced = {}
        for path in (folder, *folder.parents):
            if not path.is_relative_to(self._base):
                break
            synced[path] = _sync(path)
            if self._durable.get(path) == synced[path]:
                break
        self._durable.update(synced)


def _sync(folder: Path) -> int:
    """Make the names in a folder survive a power cut; returns the folder's inode."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)


def _in_one_put(root: str) -> str:
    """An S3 URL with Arrow told to send files of up to 10 MB as a single PUT, rather than as parts."""
    if not root.startswith("s3://") or "allow_delayed_open=" in root:
        return root
    return f"{root}{'&' if '?' in root else '?'}allow_delayed_open=true"


@contextlib.contextmanager
def _mapped(file: IO[bytes]) -> Iterator[memoryview]:
    """The bytes of a file: those of a large one are paged in from its disk."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        descriptor = file.fileno() if size > _MEMORY_BYTES else None
    except io.UnsupportedOperation:
        descriptor = None
    if descriptor is None:
        yield memoryview(file.read())
        return
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as data:
        yield data


def _hidden_name(name: str) -> str:
    return f".{name}.{secrets.token_hex(_RANDOM_BYTES)}"


def _is_hidden(found: str, name: str) -> bool:
    """Whether it is a hidden name of a file of that name."""
    begin = f".{name}."
    return found.startswith(begin) and bool(_RANDOM.fullmatch(found.removeprefix(begin)))


class _hidden:  # noqa: N801 - used as a function in a with statement
    """A hidden file beside the target, locked while it is written, so that nobody takes it for a leftover."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __enter__(self) -> tuple[Path, IO[bytes]]:
        while True:
            self._path = self._target.with_name(_hidden_name(self._target.name))
            self._file = self._path.open("xb")
            fcntl.flock(self._file, fcntl.LOCK_EX)
            if os.fstat(self._file.fileno()).st_nlink:
                return self._path, self._file
            self._file.close()  # taken for a leftover between its creation and its lock

    def __exit__(self, failure: object, *_: object) -> None:
        if failure:
            self._path.unlink(missing_ok=True)
        self._file.close()


def _remove_leftovers(target: Path) -> None:
    """Delete what killed writers of the file left: its hidden files that nobody holds a lock on."""
    for entry in os.scandir(target.parent):
        if not _is_hidden(entry.name, target.name):
            continue
        try:
            with Path(entry.path).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                Path(entry.path).unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError):
            continue
