"""A sandbox that stands still at one moment, and the requests that a careful reader of the vendor's page sends."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ignite_assets.sandbox import SandboxServer, SandboxWebsite, frozen

NOW = dt.datetime(2026, 11, 20, 9, 30, 12, tzinfo=dt.UTC)
TODAY = NOW.date()
SITES = (SandboxWebsite("acme-honda", 300), SandboxWebsite("bayside-kia", 120))


def days_ago(days: int) -> dt.date:
    return TODAY - dt.timedelta(days=days)


class Caller:
    """Calls one sandbox as one website, over real HTTP."""

    def __init__(self, server: SandboxServer, website: SandboxWebsite) -> None:
        self.server = server
        self.website = website
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str, **query: Any) -> requests.Response:
        credentials = {"token": self.website.token, "secret": self.website.secret}
        return self.session.get(f"{self.server.url}{path}", params={**credentials, **query}, timeout=30)

    def json(self, path: str, **query: Any) -> Any:
        response = self.get(path, **query)
        assert response.status_code == 200, response.text
        return response.json()

    def opt_out(self, **how: Any) -> requests.Response:
        return self.session.post(f"{self.server.url}/opt_outs/new", timeout=30, **how)


@pytest.fixture(scope="session")
def standing_server() -> Iterator[SandboxServer]:
    """One server for all tests that leave no opt-outs behind."""
    with SandboxServer(SITES) as server:
        yield server


@pytest.fixture
def server(standing_server: SandboxServer) -> SandboxServer:
    """The server as new: at the one moment, with no faults and an empty journal."""
    standing_server.now = frozen(NOW)
    standing_server.faults.clear()
    standing_server.requests.clear()
    return standing_server


@pytest.fixture
def caller(server: SandboxServer) -> Iterator[Caller]:
    caller = Caller(server, SITES[0])
    with caller.session:
        yield caller
