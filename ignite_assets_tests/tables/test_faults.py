"""Every endpoint under answers that drip, that are another entity's, and whose entity is gone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import get_args

import pytest

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint
from ignite_assets.api.errors import IgniteError, NetworkError, OtherEntityError, StoppedError
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.sandbox.faults import Drip
from ignite_assets.tables.made import MadePartition
from ignite_assets_tests.tables.conftest import LIMITS, ROWS, YESTERDAY, Captures
from ignite_assets_tests.tables.test_capture import listed_ids, rows_of

LISTINGS = {endpoint.ids.endpoint for endpoint in ENDPOINTS if endpoint.ids}
BRIEF = replace(LIMITS, call_seconds=0.3)


def outcome(capture: Callable[[], MadePartition]) -> MadePartition | IgniteError:
    try:
        return capture()
    except IgniteError as error:
        return error


@pytest.mark.parametrize("listings", [False, True], ids=["what is listed", "listings"])
@pytest.mark.parametrize("drip", get_args(Drip))
def test_whatever_drips_ends_each_endpoints_capture(
    drip: Drip, platform: SandboxServer, capture_of: Captures, *, listings: bool
) -> None:
    ids = {YESTERDAY: [1, 2, 3]}
    platform.faults.add(
        *(Fault(endpoint=row.name, drip=drip) for row in ENDPOINTS if (row.name in LISTINGS) is listings)
    )
    with ThreadPoolExecutor(len(ENDPOINTS)) as threads:
        captures = [capture_of(row, BRIEF, ids=ids) for row in ENDPOINTS if (row.name in LISTINGS) is listings]
        outcomes = list(threads.map(lambda capture: outcome(lambda: capture.one(YESTERDAY)), captures))
    # Of entities' calls, those that begin after ten have failed are not made.
    assert all(isinstance(each, NetworkError | StoppedError) for each in outcomes)
    assert all("the call took longer than 0.3 s" in str(each) for each in outcomes)


def test_an_answer_for_another_id_is_tried_again_and_never_lands(platform: SandboxServer, capture_of: Captures) -> None:
    ids = listed_ids(capture_of)
    calm = capture_of(ROWS["location_details"], ids={YESTERDAY: ids}).one(YESTERDAY)
    platform.faults.add(Fault(endpoint="location_details", mixed_up=True, times=2))
    made = capture_of(ROWS["location_details"], ids={YESTERDAY: ids}).one(YESTERDAY)
    assert made.staged.content_hash == calm.staged.content_hash
    assert made.facts["retries"] == 2
    for each in (calm, made):
        each.staged.file.close()

    platform.faults.add(Fault(endpoint="location_details", id=ids[-1], mixed_up=True))
    failed = outcome(lambda: capture_of(ROWS["location_details"], ids={YESTERDAY: ids}).one(YESTERDAY))
    assert isinstance(failed, OtherEntityError)
    assert (failed.endpoint, failed.tries, failed.retryable) == (f"location_details {ids[-1]}", 3, True)


@pytest.mark.parametrize("endpoint", [row for row in ENDPOINTS if row.ids], ids=lambda row: row.name)
def test_entities_that_are_gone_cost_their_rows_alone(
    endpoint: Endpoint, platform: SandboxServer, capture_of: Captures
) -> None:
    assert endpoint.ids
    ids = {YESTERDAY: listed_ids(capture_of)}
    column = endpoint.ids.column

    def rows() -> list[int]:
        with rows_of(capture_of(endpoint, ids=ids).one(YESTERDAY)) as table:
            return list(table.column(column).to_pylist())

    before = rows()
    gone = {before[0], before[-1]}
    platform.faults.add(*(Fault(endpoint=endpoint.name, id=each, status=404) for each in gone))
    assert rows() == [each for each in before if each not in gone]
