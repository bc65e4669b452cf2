"""Captures that are killed, in a process of their own.

    python -m ignite_assets_tests.killed <base URL> <root> <moment> <token> <secret>

imports everything once, then reads orders from standard input, a line each, and answers each with a line. An order
is carried out by a fork of this process: `all` captures the partition; a number kills the capture with SIGKILL at
the so-manyth moment of its commit; `count` captures and answers how many moments there were. A moment is
just before or just after a call into C: opening, locking, each write, flushing, syncing, renaming, syncing the folders.
"""

import datetime as dt
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from ignite_assets.api.client import IgniteClient
from ignite_assets.api.endpoints import by_name
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.patience import Limits
from ignite_assets.api.protocol import Credentials
from ignite_assets.sandbox import frozen
from ignite_assets.storage import lake as storage
from ignite_assets.storage import store as storing
from ignite_assets.tables.capture import Capture

PARTITION = storage.Partition("visitors", "acme-honda", dt.date(2026, 11, 19))
WRITE_BYTES = 1024
"""So that a file takes many writes."""


TO_THE_SYSTEM = {"mkdir", "scandir", "open", "flock", "fstat", "write", "flush", "fsync", "rename", "unlink", "close"}
"""The functions in C that change a file system, or look at what others changed."""


class Moments:
    """Counts the moments of a commit, and ends the process at one of them."""

    def __init__(self, last: int | None = None) -> None:
        self.passed = 0
        self._last = last

    def __call__(self, _frame: FrameType, event: str, function: Any) -> None:
        if event in {"c_call", "c_return", "c_exception"} and function.__name__ in TO_THE_SYSTEM:
            self.passed += 1
            if self.passed == self._last:
                os.kill(os.getpid(), signal.SIGKILL)


def capture(base_url: str, root: str, now: dt.datetime, credentials: Credentials, moments: Moments) -> None:
    """Capture the partition, the moments of its commit counted."""
    horizon = Horizon(now=frozen(now))
    with IgniteClient(
        website=PARTITION.website,
        base_url=base_url,
        credentials=credentials,
        horizon=horizon,
        limits=Limits(max_tries=1, max_concurrency=2),
    ) as client:
        snapshot = Capture(client, by_name()[PARTITION.asset]).one(PARTITION.date)
    place = storage.Lake(root)
    storing._COPY_BYTES = WRITE_BYTES
    sys.setprofile(moments)
    place.commit(PARTITION, snapshot.staged.file, f'{{"captured_at": "{now.isoformat()}"}}'.encode())
    sys.setprofile(None)


def in_a_fork(work: Callable[[], None]) -> int:
    """How the work ended: 0, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    """Carry out orders until there are none."""
    base_url, root, moment, token, secret = sys.argv[1:]

    def carry_out(order: str) -> None:
        moments = Moments(int(order) if order.isdigit() else None)
        capture(base_url, root, dt.datetime.fromisoformat(moment), Credentials(token, secret), moments)
        if order == "count":
            os.write(1, f"{moments.passed} ".encode())

    for line in sys.stdin:
        order = line.strip()
        print(in_a_fork(lambda order=order: carry_out(order)), flush=True)  # type: ignore[misc]  # noqa: T201


if __name__ == "__main__":
    main()
