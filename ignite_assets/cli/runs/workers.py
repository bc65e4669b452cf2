"""Processes that carry out tasks side by side. One that dies costs the task it was at, and nobody else's.

The standard library's pool gives up every task when one of its processes dies, and stops the others mid-way.

A process is a fork where that is safe, which spares it a second start of the interpreter and every import. A fork
takes no threads along, and what they held locked stays locked: so a process with threads starts others anew.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Generic, Self, TypeVar

from ignite_assets.api.errors import FailureRecord, IgniteError
from ignite_assets.cli.command import deliver_again

Task = TypeVar("Task")
_FORK, _SPAWN = multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")
_ENDING = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM)


@dataclass(frozen=True)
class Ended(Generic[Task]):
    """A task that is over."""

    task: Task
    failure: FailureRecord | None = None
    """What the function raised, or how its process died."""


class Workers(Generic[Task]):
    """Up to `most` processes that call one function, a task each at a time; stopped at the end of `with`.

    They stand in process groups of their own: Ctrl-C, and a SIGTERM to the owner's whole group, reach the owner alone.
    SIGTERM is what `stop` sends; the function may catch it.
    """

    when_interrupted = "the runs under way are recorded as canceled"

    def __init__(self, function: Callable[[Task], None], most: int) -> None:
        """No process is started before it is asked for, or there is a task for it."""
        self._function = function
        self.most = most
        self._workers: list[_Worker[Task]] = []

    def get_ready(self, tasks: int) -> None:
        """Start processes for so many tasks to come, as many as may be."""
        while len(self._workers) < min(tasks, self.most):
            self._start()

    @property
    def has_room(self) -> bool:
        """Whether another task can be begun now."""
        return sum(worker.busy for worker in self._workers) < self.most

    def begin(self, task: Task) -> None:
        """Hand a task to an idle process, or to a new one."""
        idle = (worker for worker in self._workers if not worker.busy)
        (next(idle, None) or self._start()).begin(task)

    def _start(self) -> "_Worker[Task]":
        worker = _Worker(self._function, [each.connection for each in self._workers])
        self._workers.append(worker)
        return worker

    def wait(self, seconds: float) -> list[Ended[Task]]:
        """The tasks that ended, as soon as one has; nothing when none did within so many seconds."""
        at_work = {worker.connection: worker for worker in self._workers if worker.busy}
        ready = multiprocessing.connection.wait(list(at_work), seconds)
        ended = [worker.take() for connection, worker in at_work.items() if connection in ready]
        self._workers = [worker for worker in self._workers if not worker.dead]
        return ended

    def stop(self, seconds: float) -> None:
        """Ask every process to end, and kill those that have not within so many seconds."""
        for worker in self._workers:
            worker.ask_to_end()
        deadline = time.monotonic() + seconds
        for worker in self._workers:
            worker.end(max(0.0, deadline - time.monotonic()))
        self._workers = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no process behind."""
        self.stop(5)


class _Worker(Generic[Task]):
    """One process, and the task it is at."""

    def __init__(self, function: Callable[[Task], None], others: Collection[Connection]) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        if sys.platform == "linux" and threading.active_count() == 1:
            inherited = [self.connection, *others]
            self._process: BaseProcess = _FORK.Process(target=_serve, args=(theirs, function, inherited), daemon=True)
        else:
            self._process = _SPAWN.Process(target=_serve, args=(theirs, function), daemon=True)
        with _signals_held():
            self._process.start()
        theirs.close()
        self._task: Task | None = None
        self.dead = False

    @property
    def busy(self) -> bool:
        return self._task is not None

    def begin(self, task: Task) -> None:
        self._task = task
        with contextlib.suppress(OSError):  # it died while it was idle: `take` will find out
            self.connection.send(task)

    def take(self) -> Ended[Task]:
        """The task that ended: with an answer, or since the process died."""
        task, self._task = self._task, None
        assert task is not None  # noqa: S101 - only asked of busy ones
        try:
            return Ended(task, self.connection.recv())
        except (EOFError, OSError):
            self.dead = True
            self._process.join()
            self.connection.close()
            died = f"the process of the run {_cause(self._process.exitcode)}"
            return Ended(task, FailureRecord(kind="ProcessDied", reason=died, gist=died))

    def ask_to_end(self) -> None:
        if self.busy:
            self._process.terminate()
        self.connection.close()  # an idle one ends when it reads this

    def end(self, seconds: float) -> None:
        self._process.join(seconds)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _cause(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"ended with status {exit_code}"


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Hold signals back from a process that is being started, until it has left its owner's group."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, function: Callable[[Task], None], inherited: Collection[Connection] = ()) -> None:
    """What a process does: tasks, until nobody is there to give it any.

    `inherited`: its owner's ends of connections, which would seem open for as long as a fork holds them.
    """
    for each in inherited:
        each.close()
    os.setpgrp()  # Ctrl-C goes to its owner's group, who then says what becomes of the task
    threading.Thread(target=_end_with_owner, daemon=True).start()
    with contextlib.suppress(OSError):
        os.dup2(sys.stderr.fileno(), 1)  # standard output is for the owner's results
    sys.unraisablehook = deliver_again
    with contextlib.suppress(BaseException):  # its owner is gone, or has asked it to end: no traceback
        _forget_handlers()
        while True:
            connection.send(_attempt(function, connection.recv()))


def _forget_handlers() -> None:
    """Take signals as a new process does, not as the owner's handlers would have it."""
    for number in _ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)


def _end_with_owner() -> None:
    """Interrupt the task of an owner who was killed, so that Dagster records the run as failed."""
    if owner := multiprocessing.parent_process():
        owner.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _attempt(function: Callable[[Task], None], task: Task) -> FailureRecord | None:
    try:
        function(task)
    except IgniteError as error:
        return error.record()
    except Exception as error:  # noqa: BLE001 - it is the owner's to judge
        kind = type(error).__name__  # its text might quote what must not be shown
        return FailureRecord(kind=kind, reason=kind, gist=kind)
    return None
