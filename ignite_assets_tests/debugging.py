"""Every log record of a process, from every library, in a file: what a person debugging at night turns on."""

import logging
import os
from pathlib import Path


def log_everything() -> None:
    """Log at DEBUG to a file of this process in the folder that `DEBUG_LOGS` names."""
    handler = logging.FileHandler(Path(os.environ["DEBUG_LOGS"]) / f"{os.getpid()}.log")
    handler.setLevel(logging.DEBUG)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in ("urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.DEBUG)
