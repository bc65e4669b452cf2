"""`ignite-assets` at the simulated time: `python -m soak.command materialize …`. Its workers import this module too."""

import datetime as dt

from ignite_assets.api import horizon
from ignite_assets.cli import main


def _simulated() -> dt.datetime:
    import os
    from pathlib import Path

    from soak.clock import CLOCK_VARIABLE, ClockFile

    return ClockFile(Path(os.environ[CLOCK_VARIABLE]))()


horizon.utc_now.__code__ = _simulated.__code__  # wherever the function is known already

if __name__ == "__main__":
    main()
