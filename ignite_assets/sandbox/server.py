"""The sandbox as a running server on the loopback interface: in a thread for tests and demos, or in the foreground.

It logs no requests: their queries carry credentials. What it serves belongs to `app`.
"""

import asyncio
import datetime as dt
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import uvicorn

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint
from ignite_assets.sandbox.app import create_app
from ignite_assets.sandbox.clock import Clock, utc_now
from ignite_assets.sandbox.damage import FaultyProtocol
from ignite_assets.sandbox.faults import Fault, Faults
from ignite_assets.sandbox.journal import Journal
from ignite_assets.sandbox.optouts import OptedOut
from ignite_assets.sandbox.websites import DEMO_WEBSITES, SandboxWebsite
from ignite_assets.sandbox.world import World


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
        self._port = port
        app = create_app(
            self.websites,
            endpoints=endpoints,
            world=self.world,
            faults=self.faults,
            journal=self.requests,
            now=self._moment,
        )
        self._uvicorn = _Uvicorn(app)
        self._thread: threading.Thread | None = None

    def _moment(self) -> dt.datetime:
        # The app keeps this method, so that a clock set later counts.
        return self.now()

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        return self._port

    @property
    def url(self) -> str:
        """The base URL, once started."""
        return f"http://127.0.0.1:{self._port}"

    def website(self, key: str) -> SandboxWebsite:
        """The website of that key; `KeyError` when there is none."""
        return {website.key: website for website in self.websites}[key]

    def start(self) -> Self:
        """Listen, and return when requests are answered. `OSError` when the port is taken."""
        listener = _listener(self._port)
        self._port = listener.getsockname()[1]
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
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
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


def serve(
    on_ready: Callable[[SandboxServer], None],
    websites: Sequence[SandboxWebsite] = DEMO_WEBSITES,
    *,
    port: int = 0,
    now: Clock = utc_now,
    opt_outs_file: Path | None = None,
    faults: Sequence[Fault] = (),
) -> None:
    """Serve in the foreground until SIGINT or SIGTERM; `on_ready` is given the started server.

    Call it in the main thread, where signals arrive.
    """
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with SandboxServer(websites, port=port, now=now, opt_outs_file=opt_outs_file) as server:
            server.faults.add(*faults)
            on_ready(server)
            stopping.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
