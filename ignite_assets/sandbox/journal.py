"""The journal of a sandbox: what was asked of it, so that a test can say that nothing was.

It holds no token, secret, address or answer.
"""

from collections import deque
from collections.abc import Callable, Iterator
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
        self.clear()

    def clear(self) -> None:
        """Forget everything, also the requests that are still being answered."""
        self._requests: deque[Request] = deque(maxlen=LONGEST)

    def begin(self) -> Callable[[Request], None]:
        """What records a request that arrives now, once it is answered. After `clear` it records nothing."""
        return self._requests.append

    def of(self, endpoint: str) -> list[Request]:
        """The requests to one endpoint."""
        return [request for request in self if request.endpoint == endpoint]

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests.copy())

    def __len__(self) -> int:
        return len(self._requests)
