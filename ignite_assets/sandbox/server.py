"""The sandbox as a running server on the loopback interface: in a thread of its own.

It logs no requests: their queries carry credentials. What it serves belongs to `app`.
"""

import asyncio
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import uvicorn

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint
from ignite_assets.api.horizon import utc_now
from ignite_assets.sandbox.app import SandboxPlatform
from ignite_assets.sandbox.clock import Clock
from ignite_assets.sandbox.damage import FaultyProtocol
from ignite_assets.sandbox.faults import Faults
from ignite_assets.sandbox.journal import Journal
from ignite_assets.sandbox.optouts import OptedOut
from ignite_assets.sandbox.websites import DEMO_WEBSITES, SandboxWebsite
from ignite_assets.sandbox.world import World

_TURNS = 5
"""Of the loop: a connection that was just accepted takes some to be known, and would be left open for ever."""


class SandboxServer:
    """The platform on a loopback port, from `start` to `stop` or within `with`.

    `now` may be set while it runs (`server.now = frozen(moment)`); `faults` are put in force at any time.
    """

    def __init__(
        self,
        websites: Sequence[SandboxWebsite] = DEMO_WEBSITES,
        *,
        endpoints: tuple[Endpoint, ...] = ENDPOINTS,
        port: int = 0,
        now: Clock = utc_now,
        opt_outs_file: Path | None = None,
    ) -> None:
        """A server of those websites; port 0 takes a free one. Opt-outs last as long as their file."""
        self.websites = tuple(websites)
        self.now = now
        self.faults = Faults()
        self.requests = Journal()
        self.world = World(OptedOut(opt_outs_file))
        self.port = port
        clock = lambda: self.now()  # noqa: E731, PLW0108 - not the clock itself: one that is set later counts
        platform = SandboxPlatform(self.websites, endpoints, self.world, self.faults, self.requests, clock)
        self._uvicorn = _Uvicorn(platform.app())
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The base URL, once started."""
        return f"http://127.0.0.1:{self.port}"

    def website(self, key: str) -> SandboxWebsite:
        """The website of that key; `KeyError` when there is none."""
        return {website.key: website for website in self.websites}[key]

    def start(self) -> Self:
        """Listen, and return when requests are answered. `OSError` when the port is taken."""
        listener = _listener(self.port)
        self.port = listener.getsockname()[1]
        self._thread = threading.Thread(
            target=self._uvicorn.run, args=([listener],), name="ignite-sandbox", daemon=True
        )
        self._thread.start()
        self._uvicorn.ready.wait()
        return self

    def stop(self) -> None:
        """Stop listening and drop whatever is still being answered."""
        self._uvicorn.should_exit = True
        if self._thread:
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Uvicorn(uvicorn.Server):
    """Uvicorn without logs, that says when it is ready."""

    def __init__(self, app: object) -> None:
        config = uvicorn.Config(
            app,  # type: ignore[arg-type]
            http=FaultyProtocol,
            ws="none",
            lifespan="off",
            timeout_keep_alive=75,
            loop="asyncio",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
        )
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Uvicorn's own waits for answers under way, or turns them into 500s; a sandbox just goes.
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for _ in range(_TURNS):
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)


def _listener(port: int) -> socket.socket:
    # Named as TCP, or asyncio leaves Nagle's algorithm on: 40 ms more an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener
