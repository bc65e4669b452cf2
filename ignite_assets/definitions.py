"""The code location that `workspace.yaml` names: the definitions of the `ignite.toml` at hand.

Raises `ConfigurationError` with every mistake when there is none, or a wrong one. Never falls back to the sandbox.
"""

from ignite_assets.build import build_defs
from ignite_assets.config import load_settings

defs = build_defs(load_settings())
