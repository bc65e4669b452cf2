"""Captures of a sandbox's website over real HTTP, without waiting."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from ignite_assets.api.client import IgniteClient
from ignite_assets.api.endpoints import ENDPOINTS, Endpoint, by_name
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.patience import Limits
from ignite_assets.api.protocol import Credentials
from ignite_assets.sandbox import SandboxServer, SandboxWebsite, frozen
from ignite_assets.tables.capture import Capture

NOW = dt.datetime(2026, 11, 20, 9, 30, 12, tzinfo=dt.UTC)
YESTERDAY = dt.date(2026, 11, 19)
SITE = SandboxWebsite("acme-honda", 80)
LIMITS = Limits(max_tries=3, backoff_seconds=0, max_concurrency=8)
ROWS = by_name()
every_row = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda row: row.name)
Captures = Callable[..., Capture]


def days_ago(days: int) -> dt.date:
    return NOW.date() - dt.timedelta(days=days)


@pytest.fixture(scope="module")
def standing_platform() -> Iterator[SandboxServer]:
    with SandboxServer((SITE,), now=frozen(NOW)) as server:
        yield server


@pytest.fixture
def platform(standing_platform: SandboxServer) -> SandboxServer:
    standing_platform.faults.clear()
    standing_platform.requests.clear()
    return standing_platform


@pytest.fixture
def capture_of(platform: SandboxServer) -> Iterator[Captures]:
    """Makes captures of the sandbox's website; their clients are closed after the test."""
    with ExitStack() as clients:

        def make(
            endpoint: Endpoint,
            limits: Limits = LIMITS,
            now: Callable[[], dt.datetime] = frozen(NOW),  # noqa: B008 - it always tells the same
            **how: Any,
        ) -> Capture:
            client = IgniteClient(
                website=SITE.key,
                base_url=platform.url,
                credentials=Credentials(SITE.token, SITE.secret),
                limits=limits,
                horizon=Horizon(now=now),
                sleep=lambda _: None,
            )
            return Capture(clients.enter_context(client), endpoint, **how)

        yield make
