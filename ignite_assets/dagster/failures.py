"""Our errors as Dagster's: the one place that decides whether a run may try again.

Dagster's `allow_retries` reaches the step's retry policy alone; the client has already retried for seconds.
"""

from collections.abc import Mapping
from typing import cast

import dagster as dg

from ignite_assets.api.errors import DateRefusedError, IgniteError

RETRY_POLICY = dg.RetryPolicy(max_retries=2, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""Minutes, twice, for what another try can help."""

OUTCOMES = "ignite/outcomes"
"""The key under which a failure lists its partitions: `{partition key: {"status", "error"}}`."""


def status(error: IgniteError) -> str:
    """`refused` for what was never asked of the platform, `failed` for the rest."""
    return "refused" if isinstance(error, DateRefusedError) else "failed"


def failure(errors: Mapping[str, IgniteError], *, several: bool = False) -> dg.Failure:
    """A Dagster failure for the partitions that did not land, by their keys.

    Retried when it is about one partition that may land then. In a run of `several` a retry would capture again those
    that landed, so there is none; the next run asks for what is missing.
    """
    return dg.Failure(
        description="\n".join(f"{key}: {error}" for key, error in sorted(errors.items())),
        metadata={
            OUTCOMES: dg.MetadataValue.json(
                {key: {"status": status(error), "error": str(error)} for key, error in errors.items()}
            )
        },
        allow_retries=not several and all(error.retryable for error in errors.values()),
    )


def input_failure(error: IgniteError) -> dg.Failure:
    """A Dagster failure for an input that can't be dealt with; alerts quote it."""
    told = {"input": {"status": status(error), "error": str(error)}}
    metadata = {OUTCOMES: dg.MetadataValue.json(told)}
    return dg.Failure(description=str(error), metadata=metadata, allow_retries=error.retryable)


def outcomes(event: dg.DagsterEvent) -> dict[str, dict[str, str]]:
    """What a failed step said of its partitions, by their keys: `status` and `error`; empty when it is not ours."""
    told = event.step_failure_data.user_failure_data
    entry = told.metadata.get(OUTCOMES) if told else None
    found = entry.value if isinstance(entry, dg.JsonMetadataValue) else None
    return cast("dict[str, dict[str, str]]", found) if isinstance(found, dict) else {}
