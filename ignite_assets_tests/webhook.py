"""A webhook on loopback that takes messages, or refuses them as it is told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

PATH = "/services/T0CANARY/B0CANARY/sEcReT%2Bp4th"
SECRETS = ("T0CANARY", "B0CANARY", "sEcReT")


class Receiver:
    """What was sent, in order; `refuse` says what to answer next, 200 being the rule."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []
        self._statuses: list[int] = []
        self._headers: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Where messages are sent; its path is a secret."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{PATH}"

    @property
    def texts(self) -> list[str]:
        """The messages that were sent, taken or not."""
        return [json.loads(body)["text"] for _, body in self.requests]

    def refuse(self, *statuses: int, **headers: str) -> None:
        """Answer the next requests with these."""
        self._statuses += statuses
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def take(self, path: str, body: bytes) -> tuple[int, dict[str, str]]:
        """Keep a request, and say what to answer."""
        self.requests.append((path, body))
        return (self._statuses.pop(0), self._headers) if self._statuses else (200, {})

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers = receiver.take(self.path, body)
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - what a followed redirect would become

        def log_message(self, *_: object) -> None: ...

    return Handler
