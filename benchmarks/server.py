"""The benchmark's server: a process of its own on loopback, which sends bodies that are ready before it is asked.

One thread and asyncio's plain protocols: some ten thousandths of a second of CPU a request. `/_cpu` answers the CPU
seconds it has used, `/_prepare/SITE` serialises a website's bodies. Prints its port when it listens.
"""

import asyncio
import datetime as dt
import functools
import time

from benchmarks.bodies import Bodies
from benchmarks.sites import LOOK_BACK_DAYS, SITES

_SLICE = 1 << 20
_TODAY = dt.datetime.now(dt.UTC).date()


@functools.cache
def _bodies(site: str) -> Bodies:
    return Bodies(SITES[site])


@functools.lru_cache(maxsize=4096)
def _age(query: str) -> int:
    at = query.find("date=")
    return LOOK_BACK_DAYS if at < 0 else (_TODAY - dt.date.fromisoformat(query[at + 5 : at + 15])).days


def _answer(target: str) -> tuple[list[bytes | memoryview], float]:
    """The body for a request's target, and the latency to keep."""
    path, _, query = target.partition("?")
    site, _, rest = path[1:].partition("/")
    if site == "_cpu":
        return [str(time.process_time()).encode()], 0
    if site == "_prepare":
        _bodies(rest).prepare()
        return [b"{}"], 0
    return _bodies(site).of(f"/{rest}", _age(query)) or [b"null"], SITES[site].latency


class _Connection(asyncio.Protocol):
    """One kept-alive connection; requests come one after the other."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._left: list[memoryview] = []
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(4 * _SLICE)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        target = self._received.split(b" ", 2)[1].decode()
        self._received.clear()
        body, latency = _answer(target)
        if latency:
            asyncio.get_running_loop().call_later(latency, self._send, body)
        else:
            self._send(body)

    def _send(self, body: list[bytes | memoryview]) -> None:
        length = sum(map(len, body))
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length
        if length <= _SLICE:
            self._transport.write(b"".join((head, *body)))
            return
        slices = [memoryview(part)[at : at + _SLICE] for part in body for at in range(0, len(part), _SLICE)]
        self._left = [memoryview(head), *slices][::-1]
        self._pump()

    def _pump(self) -> None:
        while self._left and not self._full and not self._transport.is_closing():
            self._transport.write(self._left.pop())

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._pump()


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
