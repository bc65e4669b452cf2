"""Our errors as Dagster's: what is said, and what is worth another try."""

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.api.errors import (
    CredentialsError,
    DateRefusedError,
    FailureRecord,
    IgniteError,
    MissingPartitionError,
    RateLimitedError,
    ServerError,
    ShapeError,
    UnauthorizedError,
)
from ignite_assets.api.horizon import Horizon
from ignite_assets.dagster.failures import PARTITIONS, RETRY_POLICY, failed_partitions, failure, input_failure
from ignite_assets.sandbox import frozen
from ignite_assets.storage.lake import StorageError
from ignite_assets_tests.conftest import NOW, QUIET, days_ago


def asked(kind: type[ServerError]) -> IgniteError:
    return kind(website="acme-honda", endpoint="visitors", reason="no", status=500)


HELPED: list[IgniteError] = [asked(ServerError), asked(RateLimitedError), StorageError("the disk is full")]  # type: ignore[arg-type]
HELPLESS: list[IgniteError] = [
    asked(UnauthorizedError),  # type: ignore[arg-type]
    asked(ShapeError),  # type: ignore[arg-type]
    DateRefusedError("too old"),
    MissingPartitionError("not there"),
    CredentialsError("acme-honda", ["ACME_HONDA_TOKEN"]),
]


@pytest.mark.parametrize("error", [*HELPED, *HELPLESS], ids=lambda error: type(error).__name__)
def test_one_partition_is_tried_again_when_that_may_help(error: IgniteError) -> None:
    assert failure({"2026-11-19|acme-honda": error}).allow_retries is (error in HELPED)
    assert input_failure(error).allow_retries is (error in HELPED)


@pytest.mark.parametrize("error", HELPED, ids=lambda error: type(error).__name__)
def test_a_run_of_several_partitions_is_tried_again_for_those_that_may_land_then(error: IgniteError) -> None:
    others = {"2026-11-18|acme-honda": DateRefusedError("too old")}
    assert failure({"2026-11-19|acme-honda": error, **others}).allow_retries
    assert not failure(others).allow_retries


def test_each_partition_has_its_line_by_date() -> None:
    told = failure(
        {"2026-11-19|a": DateRefusedError("two"), "2026-11-18|a": ShapeError(website="a", endpoint="v", reason="one")}
    )
    assert told.description == "2026-11-18|a: v: one (no answer, 1 try)\n2026-11-19|a: two"


def test_each_partition_has_its_status_for_programs_to_read() -> None:
    told = failure({"2026-11-19|a": DateRefusedError("two"), "2026-11-18|a": StorageError("full")})
    assert told.metadata[PARTITIONS].value == {
        "2026-11-19|a": {"kind": "DateRefusedError", "reason": "two", "gist": "two", "refused": True},
        "2026-11-18|a": {"kind": "StorageError", "reason": "full", "gist": "full"},
    }


RECORDS = st.builds(
    FailureRecord,
    kind=st.text(min_size=1),
    reason=st.text(min_size=1),
    gist=st.text(min_size=1),
    website=st.none() | st.text(min_size=1),
    endpoint=st.none() | st.text(min_size=1),
    status=st.none() | st.integers(100, 599),
    tries=st.none() | st.integers(1, 9),
    advice=st.text(),
    refused=st.booleans(),
)


def failed_step_with(metadata: dict[str, object]) -> dg.DagsterEvent:
    """The event of a step that failed with some metadata, as another process reads it from the event log."""

    @dg.op
    def fails() -> None:
        raise dg.Failure("no", metadata={key: dg.MetadataValue.json(value) for key, value in metadata.items()})  # type: ignore[arg-type]

    @dg.job
    def failing() -> None:
        fails()

    result = failing.execute_in_process(raise_on_error=False, run_config={"loggers": QUIET})
    (event,) = (event for event in result.all_events if event.is_step_failure)
    return dg.deserialize_value(dg.serialize_value(event), dg.DagsterEvent)


@given(st.dictionaries(st.text(min_size=1), RECORDS, max_size=2))
@settings(max_examples=10)
def test_a_failure_is_read_back_as_it_was_recorded(records: dict[str, FailureRecord]) -> None:
    class KnownError(IgniteError):
        def __init__(self, record: FailureRecord) -> None:
            super().__init__()
            self.known = record

        def record(self) -> FailureRecord:
            return self.known

    raised = failure({key: KnownError(record) for key, record in records.items()})
    assert failed_partitions(failed_step_with({key: raised.metadata[key].value for key in raised.metadata})) == records


@pytest.mark.parametrize("stored", ["text", 3, [], {"a": 1}, {"a": {"status": "failed", "error": "an older form"}}])
def test_metadata_of_another_form_is_not_read(stored: object) -> None:
    assert failed_partitions(failed_step_with({PARTITIONS: stored})) == {}


def test_failures_of_one_cause_differ_in_dates_and_counts_alone() -> None:
    horizon = Horizon(now=frozen(NOW))
    first, second = (horizon.look_back_refusal(days_ago(days)) for days in (61, 70))
    assert first is not None
    assert second is not None
    assert first.record().cause == second.record().cause
    assert first.record().words != second.record().words
    assert asked(ServerError).record().cause != asked(RateLimitedError).record().cause  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [*HELPED, *HELPLESS], ids=lambda error: type(error).__name__)
def test_refused_is_only_what_was_never_asked_of_the_platform(error: IgniteError) -> None:
    assert error.record().refused is isinstance(error, DateRefusedError)


def test_retries_wait_minutes_and_end() -> None:
    assert RETRY_POLICY.max_retries == 2
    assert RETRY_POLICY.delay == 60
