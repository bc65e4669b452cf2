"""The code location that `workspace.yaml` names: the definitions of an `ignite.toml`.

Raises `ConfigurationError` with every mistake when there is none, or a wrong one. Never falls back to the sandbox.
"""

from ignite_assets.config import load_settings
from ignite_assets.dagster.build import build_defs

defs = build_defs(load_settings())
