"""Two code locations: the package's own, and one whose jobs give each step a process of its own.

dagster api grpc -m ignite_assets_tests.dagster.both_executors -a defs | stepwise

In both, queries of derivations and exports are endless as long as a file `ENDLESS` stands in the working directory.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from ignite_assets.config import load_settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.storage.duck import Workspace

ENDLESS = "endless"
QUERIES = ("derived", "membership")
"""The files that the queries of a derivation and of an export are written to."""
_LONG = "(SELECT sum(range % 7) FROM range(1_000_000_000_000_000))"
_write = Workspace.write


def write(self: Workspace, name: str, sql: str, values: Mapping[str, object]) -> Path:
    """Write a query's rows, sooner or later."""
    endless = name in QUERIES and Path(ENDLESS).exists()
    return _write(self, name, f"SELECT * FROM ({sql}) WHERE {_LONG} >= 0" if endless else sql, values)


Workspace.write = write  # type: ignore[method-assign]  # in the processes of steps as well
if "IGNITE_CONFIG" in os.environ:
    defs = build_defs(load_settings())
    stepwise = build_defs(load_settings(), executor=dg.multiprocess_executor.configured({"max_concurrent": 2}))
