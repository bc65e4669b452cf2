"""The laws of waiting, narrowing and stopping, without any network."""

import threading
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.api.errors import (
    BodyError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    RequestError,
    ServerError,
    ShapeError,
    UnauthorizedError,
)
from ignite_assets.api.patience import Breaker, Gate, Heard, Limits, Pace, Tally, overloaded, wait_before_retry

RETRYABLE = (RateLimitedError, ServerError, NetworkError, BodyError)
FINAL = (RequestError, UnauthorizedError, NotFoundError, ShapeError)


def error_of(kind: type[RequestError], status: int | None = None) -> RequestError:
    return kind(website="acme", endpoint="visitors", reason="it broke", status=status)


def run_together(work: Callable[[], None], times: int) -> None:
    threads = [threading.Thread(target=work, daemon=True) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


# --- waiting before another try ---------------------------------------------------------------------------------


@given(
    kind=st.sampled_from(RETRYABLE + FINAL),
    tries=st.integers(1, 60),
    overloads=st.integers(0, 60),
    elapsed=st.floats(0, 2000),
    asked=st.none() | st.floats(0, 1e12),
)
def test_a_wait_is_bounded_and_only_for_what_may_heal(
    kind: type[RequestError], tries: int, overloads: int, elapsed: float, asked: float | None
) -> None:
    limits = Limits()
    wait = wait_before_retry(
        limits, error_of(kind), tries=tries, overloads=min(tries, overloads), elapsed=elapsed, asked=asked
    )
    if wait is None:
        return
    assert kind in RETRYABLE
    assert tries - min(tries, overloads) < limits.max_tries
    assert 0 <= wait <= limits.longest_wait_seconds
    assert elapsed + wait < limits.call_seconds
    assert wait >= (asked or 0)
    assert wait <= max(asked or 0, limits.longest_backoff_seconds)


@given(tries=st.integers(1, 4))
def test_backoff_doubles_up_to_its_bound(tries: int) -> None:
    limits = Limits(backoff_seconds=4, longest_backoff_seconds=10)
    wait = wait_before_retry(limits, error_of(ServerError), tries=tries, elapsed=0, asked=None)
    assert wait is not None
    assert wait <= min(4 * 2 ** (tries - 1), 10)


@pytest.mark.parametrize(("max_tries", "refusals"), [(1, 1), (2, 5), (5, 17)])
def test_a_refusal_for_overload_counts_a_quarter_of_a_try(max_tries: int, refusals: int) -> None:
    limits = Limits(max_tries=max_tries, backoff_seconds=0)
    tries = 1
    while (
        wait_before_retry(limits, error_of(RateLimitedError), tries=tries, overloads=tries, elapsed=0, asked=None) == 0
    ):
        tries += 1
    assert tries == refusals


@pytest.mark.parametrize(
    ("error", "patience"),
    [
        (error_of(RateLimitedError, 429), True),
        (error_of(ServerError, 503), True),
        (error_of(ServerError, 500), False),
        (error_of(NetworkError), False),
    ],
)
def test_only_429_and_503_ask_for_patience(error: RequestError, *, patience: bool) -> None:
    assert overloaded(error) is patience


# --- the gate ---------------------------------------------------------------------------------------------------

heard = st.sampled_from(["answer", "answer", "answer", "overload", "trouble"])


@given(widest=st.integers(1, 64), history=st.lists(heard, max_size=300))
def test_a_gate_stays_between_one_and_its_widest(widest: int, history: list[Heard]) -> None:
    gate = Gate(widest)
    for each in history:
        before = gate.width
        gate.leave(gate.enter(), each)
        assert 1 <= gate.width <= widest
        expected = {"overload": [max(1, before // 2)], "answer": [before, before + 1], "trouble": [before]}[each]
        assert gate.width in expected


@given(widest=st.integers(1, 64), refusals=st.integers(1, 10))
def test_a_gate_recovers_fully_when_answers_come_back(widest: int, refusals: int) -> None:
    gate = Gate(widest)
    for _ in range(refusals):
        gate.leave(gate.enter(), "overload")
    for _ in range(sum(range(widest + 1))):
        gate.leave(gate.enter(), "answer")
    assert gate.width == widest


def test_calls_refused_together_halve_the_gate_once() -> None:
    gate = Gate(32)
    for entered in [gate.enter() for _ in range(32)]:
        gate.leave(entered, "overload")
    assert gate.width == 16
    for entered in [gate.enter() for _ in range(16)]:
        gate.leave(entered, "overload")
    assert gate.width == 8


def test_a_full_round_of_answers_widens_the_gate_by_one() -> None:
    gate = Gate(8)
    gate.leave(gate.enter(), "overload")
    widths = []
    for _ in range(9):
        gate.leave(gate.enter(), "answer")
        widths.append(gate.width)
    assert widths == [4, 4, 4, 5, 5, 5, 5, 5, 6]


def test_no_more_calls_are_under_way_than_the_gate_is_wide() -> None:
    gate, under_way, most = Gate(3), 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal under_way, most
        for _ in range(50):
            entered = gate.enter()
            with lock:
                under_way += 1
                most = max(most, under_way)
            with lock:
                under_way -= 1
            gate.leave(entered, "answer")

    run_together(work, 9)
    assert (under_way, most <= 3) == (0, True)


def test_a_full_gate_opens_when_a_call_ends() -> None:
    gate = Gate(1)
    first, through = gate.enter(), threading.Event()

    def pass_through() -> None:
        gate.enter()
        through.set()

    threading.Thread(target=pass_through, daemon=True).start()
    assert not through.is_set()
    gate.leave(first, "trouble")
    assert through.wait(30)


# --- the breaker ------------------------------------------------------------------------------------------------


def test_a_breaker_stops_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(3)
    for failures in range(3):
        assert breaker.reason is None, failures
        breaker.failed(error_of(ServerError, 500))
    assert breaker.reason == ("stopped after 3 failed calls in a row; the last: visitors: it broke (status 500, 1 try)")
    assert breaker.cause is not None


def test_a_success_starts_the_count_anew_but_does_not_undo_a_stop() -> None:
    breaker = Breaker(2)
    for _ in range(5):
        breaker.failed(error_of(NetworkError))
        breaker.succeeded()
    assert breaker.reason is None
    breaker.failed(error_of(NetworkError))
    breaker.failed(error_of(NetworkError))
    breaker.succeeded()
    assert breaker.reason is not None


def test_an_entity_that_is_not_found_is_no_failure() -> None:
    breaker = Breaker(2)
    breaker.failed(error_of(ServerError))
    for _ in range(10):
        breaker.failed(error_of(NotFoundError, 404))
    assert breaker.reason is None
    breaker.failed(error_of(ServerError))
    assert breaker.reason is not None


def test_refused_credentials_stop_at_once() -> None:
    breaker = Breaker(10)
    breaker.failed(error_of(UnauthorizedError, 401))
    assert breaker.reason == "stopped after 1 failed call; the last: visitors: it broke (status 401, 1 try)"


def test_the_first_reason_stays() -> None:
    breaker = Breaker(1)
    breaker.stop("closed")
    breaker.failed(error_of(ServerError))
    assert (breaker.reason, breaker.cause) == ("closed", None)


def test_a_stop_ends_every_wait() -> None:
    breaker = Breaker(1)
    waiting = threading.Thread(target=breaker.sleep, args=[3600], daemon=True)
    waiting.start()
    breaker.stop("closed")
    waiting.join(30)
    assert not waiting.is_alive()


# --- pace and tally ---------------------------------------------------------------------------------------------


class Time:
    """A clock that goes on only when somebody sleeps or a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@given(per_second=st.floats(0.1, 100), pauses=st.lists(st.floats(0, 5), min_size=1, max_size=40))
def test_no_more_calls_begin_in_a_second_than_the_pace_allows(per_second: float, pauses: list[float]) -> None:
    time = Time()
    pace = Pace(per_second, clock=time.clock)
    begun = []
    for pause in pauses:
        time.sleep(pause)
        pace.wait(time.sleep)
        begun.append(time.now)
    gaps = [later - earlier for earlier, later in pairwise(begun)]
    assert all(gap >= 1 / per_second - 1e-6 for gap in gaps)


def test_a_pace_of_zero_never_waits() -> None:
    def refuse(seconds: float) -> None:
        raise AssertionError(seconds)

    pace = Pace(0)
    for _ in range(100):
        pace.wait(refuse)


def test_a_pace_makes_up_for_no_lost_time() -> None:
    time = Time()
    pace = Pace(1, clock=time.clock)
    time.sleep(1000)
    for _ in range(5):
        pace.wait(time.sleep)
    assert time.now == pytest.approx(1104)


def test_a_tally_counts_across_threads() -> None:
    tally = Tally()

    def work() -> None:
        for number in range(1000):
            tally.count(retry=number % 2 == 0)

    run_together(work, 4)
    assert (tally.requests, tally.retries) == (4000, 2000)
