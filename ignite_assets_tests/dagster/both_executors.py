"""Two code locations: the package's own, and one whose jobs give each step a process of its own.

dagster api grpc -m ignite_assets_tests.dagster.both_executors -a defs | stepwise
"""

import dagster as dg

from ignite_assets.config import load_settings
from ignite_assets.dagster.build import build_defs

defs = build_defs(load_settings())
stepwise = build_defs(load_settings(), executor=dg.multiprocess_executor.configured({"max_concurrent": 2}))
