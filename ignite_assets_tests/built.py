"""Definitions that are built once for equal arguments: building and resolving them takes a quarter of a second.

Not for tests that change what building reads: the definitions are those of the next test as well.
"""

import functools
from typing import Any

import dagster as dg

from ignite_assets import sandbox
from ignite_assets.config import Settings
from ignite_assets.dagster import build

KEPT = 8
"""Definitions that a process keeps, the last ones used."""

_kept: dict[tuple[object, ...], dg.Definitions] = {}

frozen = functools.cache(sandbox.frozen)
"""A clock that stands still at a moment; the same one for the same moment."""


def build_defs(settings: Settings, **how: Any) -> dg.Definitions:
    """As `ignite_assets.dagster.build.build_defs`."""
    described = settings.path, settings.model_dump_json(), *sorted(how.items())
    try:
        found = _kept.pop(described, None)
    except TypeError:  # resources, which have no hash
        return build.build_defs(settings, **how)
    _kept[described] = found or build.build_defs(settings, **how)
    if len(_kept) > KEPT:
        del _kept[next(iter(_kept))]
    return _kept[described]
