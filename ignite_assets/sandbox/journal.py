"""The journal of a sandbox: what was asked of it, so that a test can say that nothing was.

It holds no token, secret, address or answer.
"""

import threading
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

LONGEST = 200_000
"""Requests kept; older ones are forgotten."""


class Request(NamedTuple):
    """One request; `date` and `algo` as sent, `status` None when the connection ended without one."""

    method: str
    endpoint: str
    website: str | None
    id: int | None
    date: str | None
    algo: str | None
    status: int | None


class Journal:
    """The requests, oldest first; safe to use from several threads."""

    def __init__(self) -> None:
        """Nothing was asked."""
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque(maxlen=LONGEST)
        self._volume = 0

    @property
    def volume(self) -> int:
        """Which volume is being written: clearing the journal begins another."""
        return self._volume

    def add(self, request: Request, volume: int) -> None:
        """Note a request whose answer is about to go out, unless the volume in which it arrived is forgotten."""
        with self._lock:
            if volume == self._volume:
                self._requests.append(request)

    def clear(self) -> None:
        """Forget everything, also the requests that are still being answered."""
        with self._lock:
            self._requests.clear()
            self._volume += 1

    def all(self) -> list[Request]:
        """A copy of the journal as it stands."""
        with self._lock:
            return list(self._requests)

    def of(self, endpoint: str) -> list[Request]:
        """The requests to one endpoint."""
        return [request for request in self.all() if request.endpoint == endpoint]

    def __iter__(self) -> Iterator[Request]:
        """The requests as they stand."""
        return iter(self.all())

    def __len__(self) -> int:
        """How many there were."""
        return len(self._requests)
