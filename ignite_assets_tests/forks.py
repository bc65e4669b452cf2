"""Forks of a process that has imported what the commands of `ignite-assets` import: each saves two seconds of CPU.

A fork is a process of its own, with its folder, environment, standard streams and exit status. Tests of what is
imported, of terminals and of signals start `ignite-assets` itself.
"""

import atexit
import contextlib
import gc
import json
import multiprocessing
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.engine import Engine

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

PRELOADED = (
    "duckdb",
    "ignite_assets.cli.progress",
    "ignite_assets.dagster.build",
    "ignite_assets.report.page",
    "ignite_assets.sandbox",
)
TIMEOUT = 240
"""Seconds that a command may take."""


class ForkServer:
    """A process that forks for each command, and ends with the process that made it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(TIMEOUT)
        with theirs:
            code = f"from ignite_assets_tests import forks; forks.serve({theirs.fileno()})"
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                cwd=Path(__file__).parents[1],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self.close)

    def run(
        self, words: Sequence[str], *, folder: Path, env: Mapping[str, str], stdin: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end. Raises `TimeoutError` when it does not come to one."""
        request = json.dumps({"words": words, "folder": str(folder), "environment": dict(env)}).encode()
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(3)]
            files[0].write(stdin)
            files[0].seek(0)
            socket.send_fds(self._socket, [request], [file.fileno() for file in files])
            status = self._socket.recv(16)
            assert status, "the process that forks has ended"
            for file in files:
                file.seek(0)
            return subprocess.CompletedProcess(words, int(status), files[1].read(), files[2].read())

    def close(self) -> None:
        """End it, and a command that is under way."""
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _sync_not(fd: "FileDescriptorLike") -> None:
    """Sync nothing."""


def wait_for_no_disk() -> None:
    """Leave the syncing of files to the system, SQLite's and our own: no machine loses its power in a test.

    A sync takes milliseconds, and a suite makes tens of thousands. Tests of which files are synced set `os.fsync`.
    """
    os.fsync = _sync_not

    def wait_not(connection: object, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", wait_not)


def serve(descriptor: int) -> None:
    """Fork for each request of a socket, and answer with the exit status, until the other end closes."""
    wait_for_no_disk()
    sys.modules["__main__"].__file__ = __file__  # without one, DuckDB shows a progress bar as in an interactive Python
    for name in PRELOADED:
        import_module(name)
    gc.freeze()  # what was imported outlives every fork
    with socket.socket(fileno=descriptor) as asked:
        asked.set_inheritable(False)
        while True:
            request, streams, _, _ = socket.recv_fds(asked, 1 << 16, 3)
            if not request:
                return
            # Of multiprocessing, since its forks end without the destructors of C++, which fail in a fork.
            fork = multiprocessing.get_context("fork").Process(
                target=_command, args=(streams,), kwargs=json.loads(request)
            )
            fork.start()
            for stream in streams:
                os.close(stream)
            fork.join()
            asked.send(str(fork.exitcode).encode())


def _command(streams: Sequence[int], *, words: list[str], folder: str, environment: dict[str, str]) -> None:
    """Be the process that was asked for."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - to the end; multiprocessing closed the former
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    sys.path[0] = str(Path(words[0]).parent)
    import_module("ignite_assets.cli").main()
