"""The code location that `workspace.yaml` names: the definitions of an `ignite.toml`.

Raises `ConfigurationError` with every mistake when there is none, or a wrong one. Never falls back to the sandbox.
"""

import dagster as dg

from ignite_assets.config import load_settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.executors import configured_executor

_settings = load_settings()

defs = dg.Definitions.merge(
    build_defs(_settings),
    # For launches that name no job, such as those from the asset graph.
    dg.Definitions(executor=configured_executor(_settings)),
)
