"""Snapshots of a website, captured over real HTTP: complete, counted, and each date on its own."""

import datetime as dt
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.errors import (
    DateRefusedError,
    IgniteError,
    LateAnswerError,
    RateLimitedError,
    ServerError,
    UnauthorizedError,
    WindowError,
)
from ignite_assets.api.patience import Limits
from ignite_assets.sandbox import Fault, SandboxServer, frozen
from ignite_assets.sandbox.faults import SandboxCall
from ignite_assets.tables.made import MadeOrFailed, MadePartition
from ignite_assets_tests.tables.conftest import LIMITS, NOW, ROWS, SITE, YESTERDAY, Captures, days_ago, every_row


def listed_ids(capture_of: Captures, day: dt.date = YESTERDAY) -> list[int]:
    with rows_of(capture_of(ROWS["locations"]).one(day)) as table:
        return list(table.column("id").to_pylist())


def ids_for(endpoint: Endpoint, capture_of: Captures) -> dict[str, Any]:
    """What a capture of the endpoint needs to know for yesterday."""
    from_partition = endpoint.ids is not None and endpoint.ids.from_partition
    return {"ids": {YESTERDAY: listed_ids(capture_of)}} if from_partition else {}


@contextmanager
def rows_of(snapshot: MadePartition) -> Iterator[pa.Table]:
    with snapshot.staged.file as file:
        yield pq.read_table(file)


def close_all(outcomes: Sequence[MadeOrFailed]) -> None:
    for _, outcome in outcomes:
        if isinstance(outcome, MadePartition):
            outcome.staged.file.close()


def kinds(outcomes: Sequence[MadeOrFailed]) -> dict[dt.date, type]:
    return {day: type(outcome) for day, outcome in outcomes}


@every_row
def test_a_snapshot_is_the_answer_with_its_facts(
    endpoint: Endpoint, platform: SandboxServer, capture_of: Captures
) -> None:
    capture = capture_of(endpoint, **ids_for(endpoint, capture_of))
    platform.requests.clear()
    snapshot = capture.one(YESTERDAY)
    assert (snapshot.website, snapshot.date, snapshot.made_at) == (SITE.key, YESTERDAY, NOW)
    coercions = snapshot.facts["coercions_by_column"]
    assert snapshot.facts == {
        "requests": len(platform.requests),
        "retries": 0,
        "coercions": sum(coercions.values()),
        "coercions_by_column": coercions,
        "vanished": 0,
        "misfits": 0,
    }
    metadata = pq.read_metadata(snapshot.staged.file).metadata
    facts = {key.decode(): value.decode() for key, value in metadata.items()}
    with rows_of(snapshot) as table:
        assert table.num_rows == snapshot.staged.rows > 0
        assert set(table.column("captured_at").to_pylist()) == {NOW}
        assert [row.keys() for row in snapshot.preview] == [set(table.column_names)] * min(5, table.num_rows)
    assert facts["ignite.endpoint"] == endpoint.name
    assert facts["ignite.website"] == SITE.key
    assert facts["ignite.look_back_date"] == YESTERDAY.isoformat()
    assert facts["ignite.captured_at"] == NOW.isoformat()
    assert facts.get("ignite.algo") == ("sha2" if endpoint.hashed else None)
    assert SITE.token not in str(facts)
    assert SITE.secret not in str(facts)


@every_row
def test_how_many_calls_are_under_way_changes_nothing(endpoint: Endpoint, capture_of: Captures) -> None:
    how = ids_for(endpoint, capture_of)
    hashes = set()
    for concurrency in (1, 3, 8):
        snapshot = capture_of(endpoint, replace(LIMITS, max_concurrency=concurrency), **how).one(YESTERDAY)
        hashes.add(snapshot.staged.content_hash)
        snapshot.staged.file.close()
    assert len(hashes) == 1


@every_row
@pytest.mark.parametrize("status", [429, 503])
def test_a_platform_that_refuses_three_calls_in_ten_costs_nothing_but_retries(
    status: int, endpoint: Endpoint, platform: SandboxServer, capture_of: Captures
) -> None:
    how = ids_for(endpoint, capture_of)
    calm = capture_of(endpoint, **how).one(YESTERDAY)
    platform.requests.clear()
    platform.faults.add(Fault(status=status, retry_after=1, probability=0.3, seed=20))
    limits = Limits(max_concurrency=8, backoff_seconds=0)
    stormy = capture_of(endpoint, limits, **how).one(YESTERDAY)
    assert stormy.staged.content_hash == calm.staged.content_hash
    assert stormy.facts["requests"] == len(platform.requests)
    refused = sum(request.status == status for request in platform.requests)
    assert (stormy.facts["retries"], stormy.facts["requests"]) == (refused, calm.facts["requests"] + refused)
    for snapshot in (calm, stormy):
        snapshot.staged.file.close()


@every_row
@pytest.mark.parametrize("cut", ["reset", "length", "chunked"])
def test_connections_that_break_now_and_then_cost_nothing_but_retries(
    cut: Any, endpoint: Endpoint, platform: SandboxServer, capture_of: Captures
) -> None:
    how = ids_for(endpoint, capture_of)
    calm = capture_of(endpoint, **how).one(YESTERDAY)
    platform.faults.add(Fault(cut=cut, probability=0.2, seed=3))
    stormy = capture_of(endpoint, replace(LIMITS, max_tries=12), **how).one(YESTERDAY)
    assert stormy.staged.content_hash == calm.staged.content_hash
    assert (stormy.facts["coercions_by_column"], stormy.facts["vanished"]) == (calm.facts["coercions_by_column"], 0)
    for snapshot in (calm, stormy):
        snapshot.staged.file.close()


def test_what_did_not_fit_is_counted_once_however_often_it_was_read(
    platform: SandboxServer, capture_of: Captures
) -> None:
    body = b'[{"year":"unknown"},{"year":"soon"},{"year":"2020"}]'
    platform.faults.add(Fault(body=body, cut="length", times=2), Fault(body=body))
    snapshot = capture_of(ROWS["products"]).one(YESTERDAY)
    assert (snapshot.facts["coercions_by_column"], snapshot.staged.rows, snapshot.facts["retries"]) == (
        {"year": 2},
        3,
        2,
    )
    assert len(snapshot.preview) == 3
    snapshot.staged.file.close()


# --- refusals ---------------------------------------------------------------------------------------------------


@every_row
def test_a_date_out_of_reach_is_refused_before_any_request(
    endpoint: Endpoint, platform: SandboxServer, capture_of: Captures
) -> None:
    capture = capture_of(endpoint)
    for day in (days_ago(0), days_ago(-1), days_ago(61), days_ago(400)):
        with pytest.raises(DateRefusedError):
            capture.one(day)
    if endpoint.history == "current_state":
        with pytest.raises(DateRefusedError, match="only tells the present"):
            capture.one(days_ago(2))
    assert len(platform.requests) == 0


def test_a_date_out_of_reach_does_not_end_the_others(platform: SandboxServer, capture_of: Captures) -> None:
    outcomes = list(capture_of(ROWS["visitors"]).each([days_ago(61), days_ago(60), days_ago(1), days_ago(0)]))
    assert kinds(outcomes) == {
        days_ago(0): DateRefusedError,
        days_ago(1): MadePartition,
        days_ago(60): MadePartition,
        days_ago(61): DateRefusedError,
    }
    assert {request.date for request in platform.requests} == {days_ago(1).isoformat(), days_ago(60).isoformat()}
    close_all(outcomes)


# --- several dates ----------------------------------------------------------------------------------------------


BEFORE, AFTER = dt.datetime(2026, 11, 20, 23, 59, 58, tzinfo=dt.UTC), dt.datetime(2026, 11, 21, 0, 0, 13, tzinfo=dt.UTC)


@pytest.fixture
def midnight(platform: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dt.datetime]:
    """A clock by which midnight passes while the first request is under way."""
    asked = threading.Event()
    strike = platform.faults.strike

    def noted(call: SandboxCall) -> tuple[float, Fault | None]:
        asked.set()
        return strike(call)

    monkeypatch.setattr(platform.faults, "strike", noted)
    return lambda: AFTER if asked.is_set() else BEFORE


@pytest.mark.parametrize("name", ["sales", "audiences", "audience_groups"])
def test_an_answer_about_the_present_that_comes_after_midnight_is_no_longer_of_its_day(
    platform: SandboxServer, capture_of: Captures, midnight: Callable[[], dt.datetime], name: str
) -> None:
    platform.faults.add(Fault(endpoint=name, status=503, times=1))
    with pytest.raises(LateAnswerError, match=r"came too late, at 2026-11-21 00:00:13: .* only tells the present"):
        capture_of(ROWS[name], now=midnight).one(YESTERDAY)
    day_after = capture_of(ROWS[name], now=frozen(AFTER)).one(YESTERDAY + dt.timedelta(days=1))
    with rows_of(day_after) as table:
        assert set(table.column("captured_at").to_pylist()) <= {AFTER}


@pytest.mark.parametrize("name", ["visitors", "audience_members"])
def test_a_windows_answer_is_stamped_with_when_it_was_there(
    capture_of: Captures, midnight: Callable[[], dt.datetime], name: str
) -> None:
    made = capture_of(ROWS[name], now=midnight).one(YESTERDAY)
    assert made.made_at == AFTER
    with rows_of(made) as table:
        assert set(table.column("captured_at").to_pylist()) == {AFTER}


@pytest.mark.parametrize("name", ["visitors", "audience_members"])
def test_a_window_that_became_too_long_while_it_was_answered_does_not_land(
    capture_of: Captures, midnight: Callable[[], dt.datetime], name: str
) -> None:
    oldest, next_oldest = (BEFORE.date() - dt.timedelta(days=age) for age in (60, 59))
    outcomes = list(capture_of(ROWS[name], now=midnight).each([oldest, next_oldest]))
    close_all(outcomes)
    assert kinds(outcomes)[next_oldest] is MadePartition
    assert kinds(outcomes)[oldest] in (LateAnswerError, DateRefusedError)


def test_an_id_is_fetched_once_however_many_dates_want_it(platform: SandboxServer, capture_of: Captures) -> None:
    everyone = listed_ids(capture_of, days_ago(10))
    ids = {days_ago(1): everyone[:3], days_ago(2): everyone[1:6], days_ago(3): everyone, days_ago(4): []}
    platform.requests.clear()
    outcomes = list(capture_of(ROWS["location_details"], ids=ids).each(list(ids)))
    assert Counter(request.id for request in platform.requests) == dict.fromkeys(everyone, 1)
    for day, outcome in outcomes:
        assert isinstance(outcome, MadePartition)
        with rows_of(outcome) as table:
            assert table.column("id").to_pylist() == sorted(ids[day])


def test_one_dates_failure_leaves_the_others_that_share_its_calls(
    platform: SandboxServer, capture_of: Captures
) -> None:
    everyone = listed_ids(capture_of)
    ids = {days_ago(1): everyone[:4], days_ago(2): everyone[2:8], days_ago(3): everyone[5:]}
    platform.faults.add(Fault(id=everyone[0], status=500))
    outcomes = list(capture_of(ROWS["location_details"], ids=ids).each(list(ids)))
    assert kinds(outcomes) == {days_ago(1): ServerError, days_ago(2): MadePartition, days_ago(3): MadePartition}
    close_all(outcomes)


def test_one_windows_failure_leaves_the_others(platform: SandboxServer, capture_of: Captures) -> None:
    platform.faults.add(Fault(status=500, times=3))
    days = [days_ago(3), days_ago(1), days_ago(2)]
    outcomes = list(capture_of(ROWS["visitors"], replace(LIMITS, max_concurrency=1)).each(days))
    assert [day for day, _ in outcomes] == [days_ago(1), days_ago(2), days_ago(3)]
    assert list(kinds(outcomes).values()) == [ServerError, MadePartition, MadePartition]
    close_all(outcomes)


def test_a_platform_that_fails_for_good_is_not_asked_for_every_date(
    platform: SandboxServer, capture_of: Captures
) -> None:
    platform.faults.add(Fault(status=500))
    limits = replace(LIMITS, max_concurrency=1, max_failures_in_a_row=2)
    outcomes = list(capture_of(ROWS["visitors"], limits).each([days_ago(day) for day in range(1, 31)]))
    assert all(isinstance(outcome, IgniteError) and outcome.retryable for _, outcome in outcomes)
    assert len(outcomes) == 30
    assert len(platform.requests) == 2 * 3


def test_refused_credentials_cost_one_request(platform: SandboxServer, capture_of: Captures) -> None:
    platform.faults.add(Fault(status=401))
    with pytest.raises(UnauthorizedError):
        capture_of(ROWS["audience_members"]).one(YESTERDAY)
    assert [request.endpoint for request in platform.requests] == ["audiences"]


# --- entities ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["location_details", "audience_members", "audience_group_members"])
def test_an_entity_that_vanished_is_skipped_and_counted(
    name: str, platform: SandboxServer, capture_of: Captures
) -> None:
    endpoint = ROWS[name]
    assert endpoint.ids is not None
    how = ids_for(endpoint, capture_of)
    before = capture_of(endpoint, **how).one(YESTERDAY)
    with rows_of(before) as table:
        everyone = table.column(endpoint.ids.column).to_pylist()
    gone = everyone[0]
    platform.faults.add(Fault(endpoint=name, id=gone, status=404))
    snapshot = capture_of(endpoint, **how).one(YESTERDAY)
    assert (snapshot.facts["vanished"], snapshot.facts["retries"]) == (1, 0)
    with rows_of(snapshot) as table:
        assert table.column(endpoint.ids.column).to_pylist() == [each for each in everyone if each != gone]


def test_a_listing_that_is_not_found_is_a_failure(platform: SandboxServer, capture_of: Captures) -> None:
    platform.faults.add(Fault(endpoint="audiences", status=404))
    with pytest.raises(IgniteError, match="audiences: not found"):
        capture_of(ROWS["audience_members"]).one(YESTERDAY)


def test_an_entity_that_keeps_failing_fails_its_date_with_its_name(
    platform: SandboxServer, capture_of: Captures
) -> None:
    audience = int(str(platform.world.audiences(SITE, NOW)[0]["id"]))
    platform.faults.add(Fault(endpoint="audience_members", id=audience, status=429))
    with pytest.raises(RateLimitedError, match=f"audience_members {audience}: too many requests"):
        capture_of(ROWS["audience_members"]).one(YESTERDAY)


def test_no_listed_entities_make_a_typed_file_without_rows(platform: SandboxServer, capture_of: Captures) -> None:
    platform.faults.add(Fault(endpoint="audiences", body=b"[]"))
    none = capture_of(ROWS["audience_members"]).one(YESTERDAY)
    platform.faults.clear()
    platform.faults.add(Fault(endpoint="audience_members", body=b"[]"))
    empty = capture_of(ROWS["audience_members"]).one(YESTERDAY)
    assert none.staged.content_hash == empty.staged.content_hash
    for snapshot in (none, empty):
        with rows_of(snapshot) as table:
            assert (table.num_rows, table.column_names[0]) == (0, "audience_id")


# --- windows ----------------------------------------------------------------------------------------------------


def hashes(first: int, last: int) -> bytes:
    return json.dumps([f"{number:064x}" for number in range(first, last)]).encode()


def windows(answers: Sequence[bytes], platform: SandboxServer, capture_of: Captures) -> list[MadeOrFailed]:
    """The outcomes of visitors for as many dates, newest first, asked for one after the other."""
    platform.faults.add(*(Fault(endpoint="visitors", body=answer, times=1) for answer in answers))
    capture = capture_of(ROWS["visitors"], replace(LIMITS, max_concurrency=1))
    outcomes = list(capture.each([days_ago(day) for day in range(1, len(answers) + 1)]))
    close_all(outcomes)
    return outcomes


def test_windows_that_nest_all_land(platform: SandboxServer, capture_of: Captures) -> None:
    outcomes = windows([hashes(0, 10), hashes(0, 20), hashes(0, 20), hashes(0, 30)], platform, capture_of)
    assert list(kinds(outcomes).values()) == [MadePartition] * 4


def test_a_few_people_may_have_opted_out_in_between(platform: SandboxServer, capture_of: Captures) -> None:
    outcomes = windows([hashes(0, 1000), hashes(10, 1000), hashes(15, 2000)], platform, capture_of)
    assert list(kinds(outcomes).values()) == [MadePartition] * 3


def test_from_a_window_that_lacks_people_of_a_newer_one_on_dates_fail(
    platform: SandboxServer, capture_of: Captures
) -> None:
    answers = [hashes(0, 1000), hashes(0, 2000), hashes(0, 1979), hashes(0, 3000)]
    outcomes = windows(answers, platform, capture_of)
    assert list(kinds(outcomes).values()) == [MadePartition, MadePartition, WindowError, WindowError]
    assert "the platform answered for another window: 21 of the 2,000" in str(outcomes[2][1])
    assert not any(isinstance(outcome, WindowError) and outcome.retryable for _, outcome in outcomes)


@pytest.mark.parametrize("name", ["visitors", "locations", "products", "audience_members", "audience_group_members"])
def test_a_platform_that_keeps_its_word_passes_side_by_side(
    name: str, platform: SandboxServer, capture_of: Captures
) -> None:
    days = [days_ago(day) for day in (1, 2, 3, 7, 30, 59, 60)]
    outcomes = list(capture_of(ROWS[name]).each(days))
    assert kinds(outcomes) == dict.fromkeys(days, MadePartition)
    counted = [outcome.staged.rows for _, outcome in outcomes if isinstance(outcome, MadePartition)]
    assert counted == sorted(counted)
    listed = [request.date for request in platform.requests.of(name) if request.date]
    assert set(listed) == {day.isoformat() for day in days}
    close_all(outcomes)
