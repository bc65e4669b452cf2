"""A client's manners: bounded retries, fewer calls when asked for patience, none when they can't help."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from ignite_assets.api.client import IgniteClient
from ignite_assets.api.endpoints import ENDPOINTS, Endpoint, by_name
from ignite_assets.api.errors import (
    DateRefusedError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    RequestError,
    ServerError,
    StoppedError,
    UnauthorizedError,
)
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.patience import Limits, Tally
from ignite_assets.api.protocol import Call, Credentials
from ignite_assets.sandbox import Fault, SandboxServer, frozen
from ignite_assets_tests.api.conftest import NOW, OTHER_SITE, QUICK, SECRET, Clients, call_of, days_ago, fetch, ids_of
from ignite_assets_tests.api.servers import RawServer

ROWS = by_name()
VISITORS = Call(endpoint=ROWS["visitors"])
DETAILS = ROWS["location_details"]
dated_rows = pytest.mark.parametrize("endpoint", [row for row in ENDPOINTS if row.dated], ids=lambda row: row.name)


def failed(client: IgniteClient, call: Call, tally: Tally | None = None) -> RequestError:
    with pytest.raises(RequestError) as caught:
        fetch(client, call, tally)
    return caught.value


def whole(pieces: Iterator[bytes]) -> bytes:
    return b"".join(pieces)


# --- retries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "waited"), [(7, 7), (NOW + dt.timedelta(seconds=33), 33), (120, 120), ("soon", 0)])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_up_to_the_longest_wait(
    asked: int | str | dt.datetime, waited: int, status: int, platform: SandboxServer, client_for: Clients
) -> None:
    waits: list[float] = []
    platform.faults.add(Fault(status=status, retry_after=asked, times=1))
    assert fetch(client_for(sleep=waits.append), VISITORS).num_rows
    assert waits == [waited]


def test_no_try_is_waited_for_beyond_the_total_time(platform: SandboxServer, client_for: Clients) -> None:
    waits: list[float] = []
    platform.faults.add(Fault(retry_after=50))
    client = client_for(sleep=waits.append, limits=replace(QUICK, call_seconds=40))
    error = failed(client, VISITORS)
    assert (type(error), error.tries, waits) == (RateLimitedError, 1, [])


@pytest.mark.parametrize("max_tries", [1, 2, 4])
def test_tries_are_bounded_and_counted(max_tries: int, platform: SandboxServer, client_for: Clients) -> None:
    platform.faults.add(Fault(status=500))
    tally, waits = Tally(), list[float]()
    client = client_for(sleep=waits.append, limits=replace(QUICK, max_tries=max_tries, backoff_seconds=1))
    assert failed(client, VISITORS, tally).tries == max_tries
    assert (tally.requests, tally.retries) == (max_tries, max_tries - 1) == (len(platform.requests), len(waits))
    assert all(0 <= wait <= 2**number for number, wait in enumerate(waits))


def test_refusals_do_not_use_up_the_tries_that_trouble_has(platform: SandboxServer, client_for: Clients) -> None:
    platform.faults.add(Fault(status=429, times=6), Fault(status=500, times=2))
    tally = Tally()
    assert fetch(client_for(sleep=lambda _: None), VISITORS, tally).num_rows
    assert (tally.requests, tally.retries) == (9, 8)


def test_requests_in_a_second_are_capped(platform: SandboxServer, client_for: Clients) -> None:
    waits: list[float] = []
    client = client_for(sleep=waits.append, limits=replace(QUICK, requests_per_second=0.001))
    for _ in range(3):
        client.read(VISITORS, whole, Tally())
    assert [round(wait, -2) for wait in waits] == [1000, 2000]
    assert len(platform.requests) == 3


# --- the horizon ------------------------------------------------------------------------------------------------


@dated_rows
@pytest.mark.parametrize(
    ("zone", "moment", "oldest"),
    [
        ("UTC", NOW, days_ago(60)),
        ("America/Los_Angeles", dt.datetime(2026, 11, 20, 2, tzinfo=dt.UTC), days_ago(60)),
        ("Pacific/Kiritimati", dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC), days_ago(59)),
    ],
)
def test_nothing_older_than_the_window_is_ever_sent(
    zone: str, moment: dt.datetime, oldest: dt.date, endpoint: Endpoint, platform: SandboxServer, client_for: Clients
) -> None:
    call = call_of(platform, endpoint, oldest)
    client = client_for(horizon=Horizon(ZoneInfo(zone), frozen(moment)))
    fetch(client, call)
    before = len(platform.requests)
    for days in (1, 2, 30, 400):
        old = replace(call, look_back=oldest - dt.timedelta(days=days))
        with pytest.raises(DateRefusedError, match="look-back window of 60 days"):
            fetch(client, old)
        with pytest.raises(DateRefusedError):
            list(client.read_each([old], lambda _: whole, Tally()))
    assert len(platform.requests) == before
    assert {request.date for request in platform.requests} == {oldest.isoformat()}


# --- side by side -----------------------------------------------------------------------------------------------


def test_answers_come_in_the_order_of_the_calls(platform: SandboxServer, client: IgniteClient) -> None:
    ids = ids_of(platform, DETAILS)
    platform.faults.add(Fault(id=ids[0], delay=0.05))
    calls = [Call(endpoint=DETAILS, entity=entity) for entity in ids]
    answers = list(client.read_each(calls, lambda _: whole, Tally()))
    assert [call for call, _ in answers] == calls
    assert [json.loads(body)["id"] for _, body in answers if isinstance(body, bytes)] == ids


def test_one_calls_failure_leaves_the_others(platform: SandboxServer, client: IgniteClient) -> None:
    ids = ids_of(platform, DETAILS)
    platform.faults.add(Fault(id=ids[1], status=500), Fault(id=ids[2], status=404))
    calls = [Call(endpoint=DETAILS, entity=entity) for entity in ids]
    kinds = [type(outcome) for _, outcome in client.read_each(calls, lambda _: whole, Tally())]
    assert kinds == [bytes, ServerError, NotFoundError, *[bytes] * (len(ids) - 3)]


def test_calls_are_taken_as_they_are_needed(platform: SandboxServer, client_for: Clients) -> None:
    taken: list[int] = []

    def calls() -> Iterator[Call]:
        for entity in range(10_000):
            taken.append(entity)
            yield Call(endpoint=DETAILS, entity=entity)

    outcomes = client_for().read_each(calls(), lambda _: whole, Tally())
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert len(taken) <= 4 * QUICK.max_concurrency
    assert len(platform.requests) <= len(taken)


# --- fewer calls at once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_a_website_that_asks_for_patience_is_asked_more_slowly_and_then_faster_again(
    status: int, platform: SandboxServer, client_for: Clients
) -> None:
    client, other = client_for(limits=replace(QUICK, max_concurrency=4)), client_for(OTHER_SITE)
    # Of this endpoint: a call that the test before gave up may still arrive.
    platform.faults.add(Fault(website=client.website, endpoint="visitors", status=status, times=2))
    fetch(client, VISITORS)
    fetch(other, VISITORS)
    assert (client._traffic.gate.width, other._traffic.gate.width) == (2, QUICK.max_concurrency)
    for _ in range(5):
        fetch(client, VISITORS)
    assert client._traffic.gate.width == 4


@pytest.mark.parametrize("status", [500, 502, 404])
def test_other_trouble_slows_nothing_down(status: int, platform: SandboxServer, client: IgniteClient) -> None:
    platform.faults.add(Fault(status=status, times=1))
    client_width = client._traffic.gate.width
    with_trouble = Call(endpoint=ROWS["sales"])
    try:
        fetch(client, with_trouble)
    except NotFoundError:
        assert status == 404
    assert client._traffic.gate.width == client_width


def test_no_more_calls_are_under_way_than_allowed(platform: SandboxServer, client_for: Clients) -> None:
    ids = ids_of(platform, DETAILS)
    under_way, most, lock = 0, 0, threading.Lock()
    client = client_for(limits=replace(QUICK, max_concurrency=3))

    def read(pieces: Iterator[bytes]) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        size = len(whole(pieces))
        with lock:
            under_way -= 1
        return size

    calls = [Call(endpoint=DETAILS, entity=entity) for entity in ids]
    assert len(list(client.read_each(calls, lambda _: read, Tally()))) == len(ids)
    assert most <= 3


# --- stopping ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_end_the_clients_calls_at_once(
    status: int, platform: SandboxServer, client: IgniteClient
) -> None:
    platform.faults.add(Fault(status=status))
    assert type(failed(client, VISITORS)) is UnauthorizedError
    tally = Tally()
    error = failed(client, Call(endpoint=ROWS["sales"]), tally)
    assert isinstance(error, StoppedError)
    assert str(error) == (
        "acme-honda: sales: stopped after 1 failed call; the last: visitors: the platform refuses the website's "
        f"credentials (status {status}, 1 try) (no answer, 0 tries)"
    )
    assert not error.retryable
    assert (len(platform.requests), tally.requests) == (1, 0)


def test_wrong_credentials_are_refused_once_and_cost_no_other_website(
    platform: SandboxServer, client_for: Clients
) -> None:
    wrong = client_for(credentials=Credentials("wrong", SECRET), limits=replace(QUICK, max_concurrency=1))
    calls = [Call(endpoint=DETAILS, entity=entity) for entity in range(50)]
    kinds = [type(outcome) for _, outcome in wrong.read_each(calls, lambda _: whole, Tally())]
    assert kinds == [UnauthorizedError, *[StoppedError] * 49]
    assert len(platform.requests) == 1
    assert fetch(client_for(OTHER_SITE), VISITORS).num_rows


def test_failures_in_a_row_end_the_clients_calls(platform: SandboxServer, client_for: Clients) -> None:
    platform.faults.add(Fault(status=500))
    client = client_for(limits=replace(QUICK, max_failures_in_a_row=4))
    kinds = [type(failed(client, VISITORS)) for _ in range(6)]
    assert kinds == [*[ServerError] * 4, *[StoppedError] * 2]
    last = failed(client, VISITORS)
    assert (
        last.reason
        == "stopped after 4 failed calls in a row; the last: visitors: the platform failed (status 500, 3 tries)"
    )
    assert last.retryable
    assert len(platform.requests) == 4 * 3


def test_ten_failures_in_a_row_are_enough_by_default() -> None:
    assert Limits().max_failures_in_a_row == 10


def test_a_success_in_between_keeps_the_client_going(platform: SandboxServer, client_for: Clients) -> None:
    client = client_for(limits=replace(QUICK, max_failures_in_a_row=2))
    for _ in range(4):
        platform.faults.add(Fault(status=500, times=3))
        assert type(failed(client, VISITORS)) is ServerError
        assert fetch(client, VISITORS).num_rows


def test_entities_that_are_gone_keep_the_client_going(client_for: Clients) -> None:
    client = client_for(limits=replace(QUICK, max_failures_in_a_row=2))
    for entity in range(5):
        assert type(failed(client, Call(endpoint=DETAILS, entity=10**12 + entity))) is NotFoundError
    assert fetch(client, VISITORS).num_rows


def test_a_host_that_is_down_is_not_asked_for_ever(client_for: Clients) -> None:
    with RawServer(b"") as server:
        client = client_for(base_url=server.url, limits=replace(QUICK, max_failures_in_a_row=2, max_concurrency=1))
        calls = [Call(endpoint=DETAILS, entity=entity) for entity in range(100)]
        outcomes = [outcome for _, outcome in client.read_each(calls, lambda _: whole, Tally())]
    assert [type(outcome) for outcome in outcomes] == [*[NetworkError] * 2, *[StoppedError] * 98]
    assert len(server.requests) == 6


def test_a_closed_client_asks_nothing_and_keeps_nobody_waiting(platform: SandboxServer, client_for: Clients) -> None:
    platform.faults.add(Fault(retry_after=100))
    client = client_for()
    under_way = client.read_each([VISITORS], lambda _: whole, Tally())
    error: list[object] = []
    waiting = threading.Thread(target=lambda: error.extend(outcome for _, outcome in under_way), daemon=True)
    waiting.start()
    while not platform.requests:
        threading.Event().wait(0.001)
    client.close()
    waiting.join(30)
    assert [type(each) for each in error] == [StoppedError]
    assert isinstance(failed(client, VISITORS), StoppedError)
    assert len(platform.requests) == 1
