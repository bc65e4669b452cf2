"""A real S3 server on loopback that counts the requests it answers."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from threading import Lock, Thread
from typing import Any, Self

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

BUCKET = "agency"
URL = f"s3://{BUCKET}"
_ACCOUNT = "123456789012"


class S3Server:
    """Use it as a context manager: it has one bucket, which is empty."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        """`METHOD key`, in the order in which they came; `LIST prefix` of a page of a listing."""
        self._app = DomainDispatcherApplication(create_backend_app)
        self._one_at_a_time = Lock()
        """moto fails where an object is replaced while it is copied, as no store does."""
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=MotoRequestHandler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.empty()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Of loopback."""
        return int(self._server.server_port)

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a process finds the server."""
        return {
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
        }

    @property
    def counts(self) -> Counter[str]:
        """The requests by method."""
        return Counter(request.partition(" ")[0] for request in self.requests)

    def empty(self) -> None:
        """Forget all objects and requests."""
        self._backend.reset()
        self._backend.create_bucket(BUCKET, "us-east-1")
        self.requests.clear()

    def put(self, objects: Iterable[tuple[str, bytes]]) -> None:
        """Put many objects in the bucket, by their keys, without requests."""
        for key, data in objects:
            self._backend.put_object(BUCKET, key, data)

    def age(self) -> None:
        """Let an hour pass since the objects were put. What is of this moment may be replaced, and is read anew."""
        for stored in self._backend.buckets[BUCKET].keys.values():
            stored.last_modified -= dt.timedelta(hours=1)

    def date(self, moment: dt.datetime) -> None:
        """Have every object tell that it was put at a moment of UTC."""
        for stored in self._backend.buckets[BUCKET].keys.values():
            stored.last_modified = moment.replace(tzinfo=None)

    def keep_versions(self) -> None:
        """Turn the bucket's versioning on."""
        self._backend.put_bucket_versioning(BUCKET, "Enabled")

    @property
    def _backend(self) -> Any:
        return s3_backends[_ACCOUNT]["aws"]

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        method, query = environ["REQUEST_METHOD"], environ["QUERY_STRING"]
        self.requests.append(f"LIST {query}" if "list-type=" in query else f"{method} {environ['PATH_INFO']}")
        with self._one_at_a_time:
            answer: Iterable[bytes] = self._app(environ, start)
        return answer
