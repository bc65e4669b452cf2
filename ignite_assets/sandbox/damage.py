"""Carrying out a fault: answers that are wrong, slow, endless or cut off below HTTP.

A cut needs the connection itself, which ASGI hides: `FaultyProtocol` hands it on in the scope's state. Which
requests are damaged belongs to `faults`.
"""

import asyncio
import contextlib
import http
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from itertools import count, cycle
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ignite_assets.sandbox.faults import Cut, Drip, Fault

_TRANSPORT = "ignite_assets.sandbox.transport"
_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKS = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
DRIPS: Mapping[Drip, tuple[bytes, bytes]] = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "header": (_OK + b"X: ", b"y"),
    "header lines": (_OK, b"X: y\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "refusal": (b"HTTP/1.1 503 ", b"B"),
    "body": (_OK + b"Content-Length: 100000\r\n\r\n[", b" "),
    "body to the end of the connection": (_OK + b"\r\n[]", b" "),
    "chunks": (_CHUNKS + b"1\r\n[\r\n", b"1\r\n \r\n"),
    "chunk size": (_CHUNKS, b"0"),
    "chunk extension": (_CHUNKS + b"2;", b"x"),
    "trailer": (_CHUNKS + b"2\r\n[]\r\n0\r\nX: ", b"y"),
    "trailers": (_CHUNKS + b"2\r\n[]\r\n0\r\n", b"X: y\r\n"),
}
"""How an answer that drips begins, and the drop that follows for ever, a byte at a time."""
_DROP_SECONDS = 0.01


class FaultyProtocol(H11Protocol):
    """Uvicorn's HTTP protocol, with the connection within the application's reach."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the connection into the state of every scope of this connection."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, _TRANSPORT: transport}


def damaged(fault: Fault, answer: Response) -> Response:
    """The answer that the fault makes of the true one."""
    if fault.drip:
        return DripResponse(fault.drip, fault.pause or _DROP_SECONDS)
    whole = answer if fault.keeps_answer else _instead(fault)
    whole.headers.update(fault.all_headers)
    if fault.cut:
        return CutResponse(fault.cut, whole)
    if fault.endless or fault.pause is not None:
        return _slowly(fault, whole)
    return whole


def _instead(fault: Fault) -> Response:
    status = fault.status or (200 if fault.retry_after is None else 429)
    if fault.body is None:
        return JSONResponse({"error": f"fault on demand: {status}"}, status)
    return Response(fault.body, status, media_type=fault.content_type)


def _slowly(fault: Fault, whole: Response) -> Response:
    body = bytes(whole.body)
    headers = dict(whole.headers)
    if fault.endless:
        headers.pop("content-length", None)
    return StreamingResponse(_pieces(fault, body), whole.status_code, headers)


async def _pieces(fault: Fault, body: bytes) -> AsyncIterator[bytes]:
    rounds = count() if fault.endless else range(1)
    for _ in rounds:
        for start in range(0, len(body), fault.piece):
            yield body[start : start + fault.piece]
            await asyncio.sleep(fault.pause or 0)
        if not body:
            await asyncio.sleep(fault.pause or 0.01)


class CutResponse(Response):
    """An answer whose connection ends before it does."""

    def __init__(self, cut: Cut, whole: Response) -> None:
        """Cut off `whole`."""
        super().__init__(whole.body, whole.status_code, dict(whole.headers))
        self._cut: Cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Write what is still to be seen of the answer to the connection, then end it."""
        transport: asyncio.Transport = scope["state"][_TRANSPORT]
        if self._cut == "reset":
            _reset(transport)
        else:
            transport.write(self._beginning())
            transport.close()
        await _gone(receive)

    def _beginning(self) -> bytes:
        if self._cut == "close":
            return b""
        half = bytes(self.body)[: len(self.body) // 2]
        chunked = self._cut == "chunked"
        chunk = f"{len(half):x}\r\n".encode() + half + b"\r\n" if half else b""
        return self._head(chunked=chunked) + (chunk if chunked else half)

    def _head(self, *, chunked: bool) -> bytes:
        status = self.status_code
        phrase = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else ""
        headers = {**self.headers, "connection": "close"}
        if chunked:
            del headers["content-length"]
            headers["transfer-encoding"] = "chunked"
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def _gone(receive: Receive) -> None:
    """Return when the connection is gone: before, Uvicorn would add a 500 of its own to what was written."""
    while (await receive())["type"] != "http.disconnect":
        pass


class DripResponse(Response):
    """An answer that never ends, though something of it always comes."""

    def __init__(self, drip: Drip, pause: float) -> None:
        """Drip in one part of the answer, with a pause in seconds between the drops."""
        super().__init__()
        self._drip: Drip = drip
        self._pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Write to the connection until the client has gone or the server stops."""
        transport: asyncio.Transport = scope["state"][_TRANSPORT]
        beginning, drop = DRIPS[self._drip]
        transport.write(beginning)
        for byte in cycle(drop):
            if transport.is_closing():
                break
            transport.write(bytes([byte]))
            await asyncio.sleep(self._pause)
        await _gone(receive)


def _reset(transport: asyncio.Transport) -> None:
    connection: Any = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        # No lingering: the kernel answers what is left of the connection with a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
