"""A tree of files on a local path or any file system that `pyarrow.fs` knows; none is ever half there."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.fs as pafs


class Store:
    """Files by their names below a root; a name has `/` between its folders and none at its ends."""

    def __init__(self, root: str, filesystem: pafs.FileSystem | None = None) -> None:
        """Take a path or a URL; or, with a file system of the caller's own, a path in it."""
        self.root = root.rstrip("/")
        if filesystem is not None:
            self.filesystem, self._base = filesystem, self.root
        elif "://" in root:
            self.filesystem, base = pafs.FileSystem.from_uri(root)
            self._base = base.rstrip("/")
        else:
            self.filesystem, self._base = pafs.LocalFileSystem(), str(Path(root).absolute())
        self.is_local = isinstance(self.filesystem, pafs.LocalFileSystem)

    def __repr__(self) -> str:
        return f"Store({self.root!r})"

    def path(self, name: str) -> str:
        """The file's path in the file system."""
        return f"{self._base}/{name}"

    def location(self, name: str) -> str:
        """The file's place as a user writes it: a path, or a URL."""
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return bool(self.filesystem.get_file_info(self.path(name)).type == pafs.FileType.File)

    def files(self, folder: str) -> list[str]:
        """The names of all files in a folder and below it, sorted; none when there is no such folder."""
        selector = pafs.FileSelector(self.path(folder), recursive=True, allow_not_found=True)
        infos = self.filesystem.get_file_info(selector)
        return sorted(i.path.removeprefix(f"{self._base}/") for i in infos if i.type == pafs.FileType.File)

    def open(self, name: str) -> pa.NativeFile:
        """The file, to read. `FileNotFoundError` when there is none."""
        return self.filesystem.open_input_file(self.path(name))

    def read(self, name: str) -> bytes:
        """All of the file. `FileNotFoundError` when there is none."""
        with self.open(name) as file:
            return bytes(file.read())

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A file to write to; on a local path it appears, whole and synced, when the block ends well.

        An object store shows what was written when the stream is closed, after a failure too. So a name that
        readers look for is written by `put`.
        """
        if not self.is_local:
            with self.filesystem.open_output_stream(self.path(name)) as stream:
                yield stream
            return
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        hidden = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
        try:
            with hidden.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            hidden.replace(target)
        except BaseException:
            hidden.unlink(missing_ok=True)
            raise
        _sync(target.parent)

    def put(self, name: str, data: Any) -> None:
        """Make these bytes the whole of a file: readers see the one before or this one."""
        with self.writing(name) as file:
            file.write(data)

    def move(self, name: str, to: str) -> None:
        """Give a file another name; what had that name before is gone."""
        if not self.is_local:
            self.filesystem.move(self.path(name), self.path(to))
            return
        target = Path(self.path(to))
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(self.path(name)).replace(target)
        _sync(target.parent)

    def delete(self, name: str) -> None:
        """Delete a file, if there is one."""
        if self.exists(name):
            self.filesystem.delete_file(self.path(name))

    def delete_folder(self, folder: str) -> None:
        """Delete a folder and all in it, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_dir(self.path(folder))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
