"""A website that is down ends its run's calls together, and shares its caps with every client of the process."""

import datetime as dt
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ignite_assets.api.endpoints import ENDPOINTS, by_name
from ignite_assets.api.errors import RateLimitedError, RequestError, ServerError, StoppedError
from ignite_assets.api.patience import Limits, Outage, Tally, Traffic
from ignite_assets.api.protocol import Call
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets_tests.api.conftest import NOW, OTHER_SITE, QUICK, Clients, an_id, call_of, fetch

VISITORS, SALES, PRODUCTS = (Call(endpoint=by_name()[name]) for name in ("visitors", "sales", "products"))
BRIEF = replace(QUICK, max_tries=20, backoff_seconds=0.02, longest_backoff_seconds=0.02, website_seconds=0.1)


def failed(clients: Clients, call: Call, **how: object) -> RequestError:
    with pytest.raises(RequestError) as failure:
        fetch(clients(**how), call)
    return failure.value


def test_the_assets_of_a_website_that_is_down_end_together_and_no_other_websites(
    platform: SandboxServer, client_for: Clients
) -> None:
    calls = [call_of(platform, endpoint) for endpoint in ENDPOINTS]
    platform.faults.add(Fault(website="acme-honda", status=503))
    errors = [failed(client_for, call, limits=BRIEF, run="a run") for call in calls]
    assert {type(error) for error in errors} == {StoppedError}
    assert {error.retryable for error in errors} == {False}
    assert "the website is down: no answer for 0.1 s; the last failure: visitors: the platform failed" in str(errors[0])
    # The second asset's one try tells that it is the website, not one endpoint. The others are not asked for.
    assert [error.tries > 0 for error in errors] == [True, True, *[False] * (len(errors) - 2)]
    assert fetch(client_for(OTHER_SITE, limits=BRIEF, run="a run"), VISITORS).num_rows


def test_a_website_that_hangs_holds_no_other_up(platform: SandboxServer, client_for: Clients) -> None:
    calls = [call_of(platform, endpoint) for endpoint in ENDPOINTS]
    limits = replace(QUICK, max_concurrency=2)
    hanging = client_for(limits=limits, run="a night")
    platform.faults.add(Fault(website="acme-honda", drip="body"))
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(failed, lambda **_: hanging, VISITORS) for _ in range(4)]
        healthy = client_for(OTHER_SITE, limits=limits, run="a night")
        answered = Tally()
        for call in calls:
            own = replace(call, entity=an_id(platform, call.endpoint, OTHER_SITE))
            assert fetch(healthy, own, answered).num_rows
        assert (answered.requests, answered.retries) == (len(calls), 0), "nothing was asked twice, nor waited for"
        assert not any(each.done() for each in waiting), "while all that the other may ask at once hangs"
        hanging.close()
    assert all("closed" in str(each.result()) for each in waiting)


def test_one_endpoints_trouble_is_not_the_websites(platform: SandboxServer, client_for: Clients) -> None:
    platform.faults.add(Fault(endpoint="visitors", status=503))
    assert isinstance(failed(client_for, VISITORS, limits=BRIEF, run="one"), StoppedError)
    assert fetch(client_for(limits=BRIEF, run="one"), PRODUCTS).num_rows


def test_a_website_that_recovers_is_asked_again_by_the_next_run(platform: SandboxServer, client_for: Clients) -> None:
    platform.faults.add(Fault(status=503))
    for call in (VISITORS, SALES, VISITORS):
        assert isinstance(failed(client_for, call, limits=BRIEF, run="last"), StoppedError)
    platform.faults.clear()
    assert isinstance(failed(client_for, VISITORS, limits=BRIEF, run="last"), StoppedError)
    assert fetch(client_for(limits=BRIEF, run="next"), VISITORS).num_rows
    assert fetch(client_for(limits=BRIEF), VISITORS).num_rows


def test_a_retry_after_of_an_hour_is_not_waited_for(platform: SandboxServer, client_for: Clients) -> None:
    platform.faults.add(Fault(retry_after=3600, times=1))
    error = failed(client_for, VISITORS, run="hour")
    assert isinstance(error, RateLimitedError)
    assert error.reason == "too many requests; the platform asks to come back in 60 min"
    assert (error.tries, error.retryable, error.not_before) == (1, False, NOW + dt.timedelta(hours=1))
    other = failed(client_for, SALES, run="hour")
    assert "asks to come back in 60 min" in other.reason
    assert (other.retryable, other.not_before) == (False, error.not_before)
    assert len(platform.requests) == 1
    assert fetch(client_for(run="the next hour"), VISITORS).num_rows


def test_a_503_may_ask_for_an_hour_too(platform: SandboxServer, client_for: Clients) -> None:
    platform.faults.add(Fault(status=503, retry_after="3600"))
    assert failed(client_for, VISITORS).not_before == NOW + dt.timedelta(hours=1)


ERROR = ServerError(website="a", endpoint="visitors", reason="failed", status=503)


def an_outage(seconds: float = 300) -> Outage:
    return Outage(Traffic(Limits()), seconds)


def test_a_long_backfill_whose_calls_are_answered_now_and_then_is_no_outage() -> None:
    outage = an_outage()
    for minute in range(0, 6000, 100):
        outage.failed("visitors", ERROR, began=minute, now=minute + 99)
        outage.answered()
    assert outage.stops("visitors") is None


def test_an_outage_counts_from_the_first_failure_not_from_a_long_answer() -> None:
    outage = an_outage()
    outage.failed("visitors", ERROR, began=1000, now=1299)
    assert outage.stops("visitors") is None
    outage.failed("visitors", ERROR, began=1250, now=1300)
    assert outage.stops("visitors")
    assert outage.stops("sales") is None, "another endpoint may tell that the website is there"
    outage.answered()
    assert outage.stops("visitors") is None


def test_the_cap_on_calls_at_once_is_one_for_a_website_in_a_process(
    platform: SandboxServer, client_for: Clients
) -> None:
    clients = [client_for(limits=replace(QUICK, max_concurrency=2)) for _ in range(3)]
    under_way, most, lock = 0, 0, threading.Lock()

    def read(pieces: Iterator[bytes]) -> bytes:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        body = b"".join(pieces)
        with lock:
            under_way -= 1
        return body

    answers = [client.read_each([VISITORS] * 6, lambda _: read, Tally()) for client in clients]
    threads = [threading.Thread(target=list, args=[each]) for each in answers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(platform.requests) == 18
    assert most <= 2


def test_the_cap_on_calls_a_second_is_one_for_a_website_in_a_process(client_for: Clients) -> None:
    waits: list[float] = []
    limits = replace(QUICK, requests_per_second=0.001)
    for client in [client_for(sleep=waits.append, limits=limits) for _ in range(3)]:
        fetch(client, VISITORS)
    assert [round(wait, -2) for wait in waits] == [1000, 2000]
    assert fetch(client_for(OTHER_SITE, sleep=waits.append, limits=limits), VISITORS).num_rows
    assert len(waits) == 2
