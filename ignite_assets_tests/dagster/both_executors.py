"""Two code locations: the package's own, and one whose jobs give each step a process of its own.

dagster api grpc -m ignite_assets_tests.dagster.both_executors -a defs | stepwise

In both, queries of derivations and exports are endless as long as a file `ENDLESS` stands in the working directory.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from ignite_assets.config import load_settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.storage.duck import Workspace
from ignite_assets.tables.derived import derivation

ENDLESS = "endless"
UNDER_WAY = "query-{}"
"""The file that tells of an endless query, by its process."""
_LONG = "(SELECT sum(range % 7) FROM range(1_000_000_000_000_000))"


def _endless(make: Callable[..., Any], of: str) -> Callable[..., Any]:
    """A workspace's way to make rows, where one of them never comes to an end."""

    def made(self: Workspace, name: str, sql: str, *values: object) -> Any:
        if name != of or not Path(ENDLESS).exists():
            return make(self, name, sql, *values)
        Path(UNDER_WAY.format(os.getpid())).touch()
        return make(self, name, f"SELECT * FROM ({sql}) WHERE {_LONG} >= 0", *values)

    return made


# In the processes of steps as well.
Workspace.table = _endless(Workspace.table, derivation._ROWS)  # type: ignore[method-assign]
Workspace.write = _endless(Workspace.write, "membership")  # type: ignore[method-assign]
if "IGNITE_CONFIG" in os.environ:
    defs = build_defs(load_settings())
    stepwise = build_defs(load_settings(), executor=dg.multiprocess_executor.configured({"max_concurrent": 2}))
