"""A sandbox whose credentials are hard to hide, and clients that neither wait nor give up early."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from ignite_assets.api import arrow
from ignite_assets.api.client import IgniteClient, Reader
from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.patience import Limits, Tally
from ignite_assets.api.protocol import Call, Credentials
from ignite_assets.sandbox import SandboxServer, SandboxWebsite, frozen

NOW = dt.datetime(2026, 11, 20, 9, 30, 12, tzinfo=dt.UTC)
YESTERDAY = dt.date(2026, 11, 19)
TOKEN = "tok+/=%& \"'é-canary"
SECRET = "s€cret+/=%& \"'\\-canary"
SITE = SandboxWebsite("acme-honda", 60, token=TOKEN, secret=SECRET)
OTHER_SITE = SandboxWebsite("bayside-kia", 40)
QUICK = Limits(max_tries=3, backoff_seconds=0, timeout_seconds=20, max_concurrency=8)
Clients = Callable[..., IgniteClient]


def days_ago(days: int) -> dt.date:
    return NOW.date() - dt.timedelta(days=days)


@pytest.fixture(scope="session")
def standing_platform() -> Iterator[SandboxServer]:
    with SandboxServer((SITE, OTHER_SITE), now=frozen(NOW)) as server:
        yield server


@pytest.fixture
def platform(standing_platform: SandboxServer) -> SandboxServer:
    """The sandbox as new: at its one moment, with no faults and an empty journal."""
    standing_platform.now = frozen(NOW)
    standing_platform.faults.clear()
    standing_platform.requests.clear()
    return standing_platform


@pytest.fixture
def client_for(platform: SandboxServer) -> Iterator[Clients]:
    """Makes clients of the sandbox, or of another address; closes them after the test."""
    made: list[IgniteClient] = []

    def make(site: SandboxWebsite = SITE, **how: Any) -> IgniteClient:
        how = {
            "website": site.key,
            "base_url": platform.url,
            "credentials": Credentials(site.token, site.secret),
            "limits": QUICK,
            "horizon": Horizon(now=frozen(NOW)),
            **how,
        }
        made.append(IgniteClient(**how))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(client_for: Clients) -> IgniteClient:
    return client_for()


def an_id(platform: SandboxServer, endpoint: Endpoint, site: SandboxWebsite = SITE) -> int | None:
    """An id that the endpoint answers for, if it takes one."""
    return ids_of(platform, endpoint, site)[0] if endpoint.ids else None


def ids_of(platform: SandboxServer, endpoint: Endpoint, site: SandboxWebsite = SITE) -> list[int]:
    """The ids that the endpoint answers for, found without leaving a trace in the journal."""
    assert endpoint.ids is not None
    listing = Call(endpoint=tables_parent(endpoint), look_back=days_ago(30))
    credentials = Credentials(site.token, site.secret)
    horizon = Horizon(now=frozen(NOW))
    with IgniteClient(website=site.key, base_url=platform.url, credentials=credentials, horizon=horizon) as client:
        found = client.read(listing, table_reader(listing, client), Tally()).column("id").to_pylist()
    platform.requests.clear()
    assert found
    return list(found)


def tables_parent(endpoint: Endpoint) -> Endpoint:
    from ignite_assets.api.endpoints import by_name

    assert endpoint.ids is not None
    return by_name()[endpoint.ids.endpoint]


def call_of(platform: SandboxServer, endpoint: Endpoint, look_back: dt.date = YESTERDAY) -> Call:
    """A call of the endpoint that the sandbox answers."""
    return Call(endpoint=endpoint, look_back=look_back if endpoint.dated else None, entity=an_id(platform, endpoint))


def table_reader(call: Call, client: IgniteClient) -> Reader[pa.Table]:
    """A reader of whole tables."""
    constants: dict[str, str | int] = {"algo": client.algo}
    if call.endpoint.ids and call.endpoint.answer == "hashes" and call.entity is not None:
        constants[call.endpoint.ids.column] = call.entity

    def read(pieces: Iterator[bytes]) -> pa.Table:
        return pa.Table.from_batches(list(arrow.batches(call.endpoint, pieces, constants, Counter())))

    return read


def fetch(client: IgniteClient, call: Call, tally: Tally | None = None) -> pa.Table:
    return client.read(call, table_reader(call, client), tally or Tally())
