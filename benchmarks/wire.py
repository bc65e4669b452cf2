"""HTTP over plain sockets, as little of it as the benchmark's server needs. Standard library only."""

import socket
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_QUERY = "token=benchmark&secret=benchmark&algo=sha2"


class Connection:
    """One kept-alive connection, to fetch whole bodies."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._prefix = parts.path
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def get(self, path: str, more: str = "") -> memoryview:
        """The body of an answer."""
        request = f"GET {self._prefix}{path}?{_QUERY}{more} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        self._socket.sendall(request.encode())
        head = b""
        while (end := head.find(b"\r\n\r\n")) < 0:
            head += self._socket.recv(1 << 16)
        length = int(head[:end].lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        start = head[end + 4 :]
        if len(start) == length:
            return memoryview(start)
        body = bytearray(length)
        view = memoryview(body)
        at = len(start)
        view[:at] = start
        while at < length:
            at += self._socket.recv_into(view[at:])
        return view


def get_each(url: str, paths: Iterable[str], at_once: int, more: str = "") -> list[memoryview]:
    """The bodies of many answers, so many at a time, a connection a thread; in the order of the paths."""
    bodies: dict[int, memoryview] = {}
    _each(url, ((path, more) for path in paths), at_once, bodies.__setitem__)
    return [bodies[place] for place in sorted(bodies)]


def replay(url: str, calls: Iterable[tuple[str, str]], at_once: int) -> None:
    """Receive and drop the answers to many calls, a path and more of a query each."""
    _each(url, calls, at_once, lambda _place, _body: None)


def _each(url: str, calls: Iterable[tuple[str, str]], at_once: int, take: Callable[[int, memoryview], object]) -> None:
    waiting = enumerate(calls)
    lock = threading.Lock()

    def work() -> None:
        with Connection(url) as connection:
            while True:
                with lock:
                    place, (path, more) = next(waiting, (-1, ("", "")))
                if place < 0:
                    return
                take(place, connection.get(path, more))

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
