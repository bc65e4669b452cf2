"""The addresses of a host, looked up within some time: the system's resolver takes none, and can't be interrupted."""

import ipaddress
import os
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress

Addresses = list[str]


class SlowResolverError(TimeoutError):
    """The resolver did not answer in time."""


def addresses_of(host: str, seconds: float) -> Addresses:
    """The IP addresses of a host, best first. Raises `socket.gaierror`, or `SlowResolverError` when the time is over.

    The lookup goes on in a thread of its own. Everyone who asks for the host meanwhile waits for the same one, so a
    resolver that hangs holds one thread a host.
    """
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    try:
        found = _LOOKUPS.begin(host).result(seconds)
    except TimeoutError:
        raise SlowResolverError from None
    if isinstance(found, OSError):
        raise found
    return found


class _Lookups:
    """The lookups under way, by host."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start with none: after a fork, threads and the holders of locks are gone."""
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Addresses | OSError]] = {}

    def begin(self, host: str) -> Future[Addresses | OSError]:
        """The lookup of a host that is under way, or a new one."""
        with self._lock:
            if host not in self._under_way:
                self._under_way[host] = Future()
                threading.Thread(target=self._look_up, args=[host], name="ignite-resolver", daemon=True).start()
            return self._under_way[host]

    def _look_up(self, host: str) -> None:
        found = _looked_up(host)
        with self._lock:
            lookup = self._under_way.pop(host)
        lookup.set_result(found)


def _looked_up(host: str) -> Addresses | OSError:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError:
        return socket.gaierror("a label is empty or too long")
    except OSError as error:
        return error
    return [str(address[0]) for *_, address in found]


_LOOKUPS = _Lookups()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LOOKUPS.reset)
