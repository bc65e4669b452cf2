"""The code location of a soak: the package's definitions at the simulated time, with waits cut short.

`SOAK_CLOCK` names the clock's file and `IGNITE_CONFIG` the configuration. A simulated night takes seconds, so the
client's backoff and the steps' retries wait for fractions of one; how often they try is as configured.
"""

import os
from dataclasses import replace
from pathlib import Path

import dagster as dg

from ignite_assets.api.patience import Limits
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.resources import IgniteResource
from soak.clock import CLOCK_VARIABLE, ClockFile

CALL_SECONDS = 5
"""A call that drips costs a night so much."""
RETRY_POLICY = dg.RetryPolicy(max_retries=1, delay=0.2)


class HastyResource(IgniteResource):
    """The resource with the client's waits shortened."""

    def limits(self) -> Limits:
        """As many tries as ever, hardly any time between them."""
        hasty = replace(super().limits(), backoff_seconds=0.01, longest_backoff_seconds=0.05)
        return replace(hasty, longest_wait_seconds=2, call_seconds=CALL_SECONDS)


def soak_definitions(settings: Settings, clock: ClockFile) -> dg.Definitions:
    """The package's definitions for a configuration, by a clock."""
    resources = {"ignite": HastyResource.from_settings(settings)}
    return build_defs(settings, now=clock, retry_policy=RETRY_POLICY, resources=resources)


if CLOCK_VARIABLE in os.environ:
    defs = soak_definitions(load_settings(), ClockFile(Path(os.environ[CLOCK_VARIABLE])))
