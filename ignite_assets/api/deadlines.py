"""The end of a call's time, enforced from outside: a blocked read can't look at the clock.

One thread a process looks after all calls under way. When a call's time is over, it shuts the call's connection down,
which ends the blocked read, whatever was dripping in: a TLS handshake, a header, a chunk's size, a trailer.
"""

import contextlib
import math
import os
import socket
import threading
import time
from types import TracebackType
from typing import Self


class Deadline:
    """One call's end. As a context manager it is enforced until the block is left."""

    def __init__(self, seconds: float, *, began: float | None = None) -> None:
        self.seconds = seconds
        self._at = (time.monotonic() if began is None else began) + seconds
        self._connection: socket.socket | None = None

    @property
    def at(self) -> float:
        """When the time is over, by the monotonic clock."""
        return self._at

    @property
    def left(self) -> float:
        """The seconds left; never negative."""
        return max(0.0, self._at - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._at

    @property
    def late(self) -> str:
        """Why nothing more of the call is to be expected; empty while there is time left.

        To be asked before any end is believed: a connection that was shut down looks like an answer's end.
        """
        return f"the call took longer than {self.seconds:g} s" if self.is_over else ""

    def __enter__(self) -> Self:
        _WATCH.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def watch(self, connection: socket.socket) -> None:
        """Take a connection as the call's own: from now on it ends with the call's time."""
        self._connection = connection
        if self.is_over:
            self.cut()

    def release(self) -> None:
        """Let go of the connection, which may serve other calls from now on."""
        _WATCH.remove(self)
        self._connection = None

    def end(self) -> None:
        """Let the call's time be over now, unless the connection was released."""
        _WATCH.end(self)

    def expire(self) -> None:
        """Have the time be over, and the connection shut down, also one that is made later."""
        self._at = -math.inf
        self.cut()

    def cut(self) -> None:
        """Shut the connection down."""
        if self._connection is not None:
            with contextlib.suppress(OSError):  # it is closed already
                # Not the method of `SSLSocket`, which would let its reader take ciphertext for an answer.
                socket.socket.shutdown(self._connection, socket.SHUT_RDWR)


class _Watch:
    """The deadlines in force, and the one thread that enforces them. It sleeps until the earliest."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start with none: after a fork, threads and the holders of locks are gone."""
        self._changed = threading.Condition()
        self._deadlines: set[Deadline] = set()
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        """Enforce a deadline until it is removed."""
        with self._changed:
            self._deadlines.add(deadline)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ignite-deadlines", daemon=True)
                self._thread.start()
            if deadline.at < self._wakes_at:
                self._changed.notify()

    def remove(self, deadline: Deadline) -> None:
        """Enforce it no longer. Once this returns, its connection is safe."""
        with self._changed:
            self._deadlines.discard(deadline)

    def end(self, deadline: Deadline) -> None:
        """Let a deadline in force be over now."""
        with self._changed:
            if deadline in self._deadlines:
                self._deadlines.discard(deadline)
                deadline.expire()

    def _run(self) -> None:
        with self._changed:
            while True:
                for late in [deadline for deadline in self._deadlines if deadline.is_over]:
                    self._deadlines.discard(late)
                    late.cut()
                self._wakes_at = min((deadline.at for deadline in self._deadlines), default=math.inf)
                self._changed.wait(None if self._wakes_at == math.inf else self._wakes_at - time.monotonic())


_WATCH = _Watch()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_WATCH.reset)
