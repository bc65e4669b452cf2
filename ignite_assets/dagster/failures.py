"""Our errors as Dagster's: the one place that decides whether a run may try again.

A step's failure carries its errors as data, in its metadata. Dagster's `allow_retries` reaches the step's retry policy
alone; the client has already retried for seconds.
"""

import dataclasses
from collections.abc import Mapping

import dagster as dg

from ignite_assets.api.errors import FailureRecord, IgniteError

RETRY_POLICY = dg.RetryPolicy(max_retries=2, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""Minutes, twice, for what another try can help."""

PARTITIONS = "ignite/failed_partitions"
"""The metadata key of a failure's records, by partition key."""

WHOLE = "ignite/failure"
"""The metadata key of the record of a failure that is of the step as a whole."""


def failure(errors: Mapping[str, IgniteError]) -> dg.Failure:
    """A Dagster failure for the partitions that did not land, by their keys.

    Retried when a partition may land then. A retry asks for what failed alone.
    """
    records = {key: error.record() for key, error in sorted(errors.items())}
    return dg.Failure(
        description="\n".join(  # the key names the website
            f"{key}: {dataclasses.replace(record, website=None).text}" for key, record in records.items()
        ),
        metadata={PARTITIONS: dg.MetadataValue.json({key: _data(record) for key, record in records.items()})},
        allow_retries=any(error.retryable for error in errors.values()),
    )


def input_failure(error: IgniteError) -> dg.Failure:
    """A Dagster failure for an input that can't be dealt with; alerts quote it."""
    record = error.record()
    return dg.Failure(
        description=record.text, metadata={WHOLE: dg.MetadataValue.json(_data(record))}, allow_retries=error.retryable
    )


def _data(record: FailureRecord) -> dict[str, object]:
    return {name: value for name, value in dataclasses.asdict(record).items() if value not in (None, "", False)}


def failed_partitions(event: dg.DagsterEvent) -> dict[str, FailureRecord]:
    """The records of a failed step's partitions, by their keys; empty when the failure is not ours."""
    found = _metadata(event, PARTITIONS)
    records = {key: _read(data) for key, data in found.items()} if isinstance(found, dict) else {}
    return {key: record for key, record in records.items() if record}


def failed_step(event: dg.DagsterEvent, *, quoted: bool = False) -> FailureRecord:
    """The record of a failed step as a whole.

    A foreign exception is named by its class, since its message may hold anything; `quoted` gives the message, for the
    terminal of the user who started the run.
    """
    if record := _read(_metadata(event, WHOLE)):
        return record
    raised, error = event.step_failure_data.user_failure_data, event.step_failure_data.error
    cause = error and (error.cause or error)  # Dagster wraps what a step raises in an error of its own
    kind = cause.cls_name if cause and cause.cls_name else "an error"
    reason = f"failed with {kind}"
    if kind == dg.DagsterExecutionInterruptedError.__name__:
        reason = "interrupted"
    elif quoted and (message := (raised and raised.description) or (cause and cause.message)):
        reason = " ".join(message.split())
    return FailureRecord(kind=kind, reason=reason, gist=reason)


def _metadata(event: dg.DagsterEvent, key: str) -> object:
    raised = event.step_failure_data.user_failure_data
    entry = raised.metadata.get(key) if raised else None
    return entry.value if isinstance(entry, dg.JsonMetadataValue) else None


_FIELDS = frozenset(field.name for field in dataclasses.fields(FailureRecord))


def _read(data: object) -> FailureRecord | None:
    """A record as it was stored; None for anything else, such as what another version stored."""
    try:
        return FailureRecord(**data) if isinstance(data, dict) and data.keys() <= _FIELDS else None
    except TypeError:
        return None
