"""The processes of a soak: the code server with the run workers it spawns, and the daemon. Each ended by its id."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
_BIN = Path(sys.executable).parent
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_WAIT_SECONDS = 300.0


class Process:
    """A process in a group of its own, that can be started again."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        folder: Path = REPOSITORY,
        base: Mapping[str, str] = os.environ,
    ) -> None:
        """What to start, and where; `environment` is added to `base`, the log appended to."""
        self._command, self._folder = list(command), folder
        self._environment = {**base, **environment}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, **environment: str) -> None:
        """Start it, with further variables."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                self._command,
                cwd=self._folder,
                env={**self._environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def status(self) -> int | None:
        """Its exit status, once it has ended by itself."""
        return self._process.poll() if self._process else None

    def wait(self) -> None:
        """Wait for its end."""
        if self._process:
            self._process.wait(_WAIT_SECONDS)

    def kill(self) -> None:
        """End its whole group at once, as a power cut does."""
        self._end(signal.SIGKILL)

    def kill_all(self) -> None:
        """The same, and its children in groups of their own."""
        for child in self.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.kill()

    def stop(self) -> None:
        """Ask it to end, and see to it."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_STOP_SECONDS)
        self._process = None

    def children(self) -> list[int]:
        """The ids of its child processes."""
        if self._process is None:
            return []
        found = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return sorted(int(entry.name) for entry in found if _parent(entry) == self._process.pid)


def _parent(entry: Path) -> int | None:
    """The parent of a process that is alive."""
    with contextlib.suppress(OSError):
        state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        return None if state == "Z" else int(parent)
    return None


class CodeServer(Process):
    """Serves the code location on loopback, and spawns a worker for each run."""

    def __init__(self, port: int, environment: Mapping[str, str], log: Path) -> None:
        """A server on a loopback port."""
        command = [str(_BIN / "dagster"), "api", "grpc", "-m", "soak.definitions", "-h", "127.0.0.1", "-p", str(port)]
        super().__init__([*command, "--location-name", "soak", "--log-level", "warning"], environment, log)
        self._port = port

    def start(self, **environment: str) -> None:
        """Start it and wait until it answers."""
        super().start(**environment)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return
            time.sleep(0.1)
        raise TimeoutError(f"the code server did not start: see {self._log}")

    def workers(self) -> list[int]:
        """The ids of the run workers that are alive."""
        return [child for child in self.children() if _spawned(child)]


def _spawned(process: int) -> bool:
    with contextlib.suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


class Daemon(Process):
    """`dagster-daemon run`."""

    def __init__(self, workspace: Path, environment: Mapping[str, str], log: Path) -> None:
        """A daemon for the code locations of a workspace file."""
        super().__init__([str(_BIN / "dagster-daemon"), "run", "-w", str(workspace)], environment, log)


class Command(Process):
    """`ignite-assets` at the simulated time."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """The command with its arguments."""
        super().__init__([sys.executable, "-m", "soak.command", *arguments], environment, log)


def free_port() -> int:
    """A loopback port that nobody listens on, below those that the kernel hands out.

    A port that the kernel hands out may be another process's by the time that a server binds it.
    """
    chance = random.SystemRandom()
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", chance.randrange(20_000, 32_000)))
            return int(probe.getsockname()[1])
