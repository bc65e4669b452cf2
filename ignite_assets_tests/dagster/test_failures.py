"""Our errors as Dagster's: what is said, and what is worth another try."""

import pytest

from ignite_assets.api.errors import (
    CredentialsError,
    DateRefusedError,
    IgniteError,
    MissingPartitionError,
    RateLimitedError,
    ServerError,
    ShapeError,
    UnauthorizedError,
)
from ignite_assets.dagster.failures import OUTCOMES, RETRY_POLICY, failure, input_failure, status
from ignite_assets.storage.lake import StorageError


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
def test_a_run_of_several_partitions_is_not_tried_again(error: IgniteError) -> None:
    assert not failure({"2026-11-19|acme-honda": error}, several=True).allow_retries


def test_each_partition_has_its_line_by_date() -> None:
    told = failure(
        {"2026-11-19|a": DateRefusedError("two"), "2026-11-18|a": ShapeError(website="a", endpoint="v", reason="one")}
    )
    assert told.description == "2026-11-18|a: a: v: one (no answer, 1 try)\n2026-11-19|a: two"


def test_each_partition_has_its_status_for_programs_to_read() -> None:
    told = failure({"2026-11-19|a": DateRefusedError("two"), "2026-11-18|a": StorageError("full")})
    assert told.metadata[OUTCOMES].value == {
        "2026-11-19|a": {"status": "refused", "error": "two"},
        "2026-11-18|a": {"status": "failed", "error": "full"},
    }


def test_refused_is_only_what_was_never_asked_of_the_platform() -> None:
    assert status(DateRefusedError("too old")) == "refused"
    assert {status(error) for error in [*HELPED, *HELPLESS] if not isinstance(error, DateRefusedError)} == {"failed"}


def test_retries_wait_minutes_and_end() -> None:
    assert RETRY_POLICY.max_retries == 2
    assert RETRY_POLICY.delay == 60
