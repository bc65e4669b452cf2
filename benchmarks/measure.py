"""What one run of a variant cost its process. Standard library only: peers import it in environments of their own."""

import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_PEAK_ONLY = "5"


def measure(run: Callable[[], object]) -> dict[str, float]:
    """Seconds, CPU seconds (all threads), and the peak of resident memory over what was there before, in MiB."""
    gc.collect()
    before = _reset_peak()
    cpu, started = time.process_time(), time.perf_counter()
    run()
    seconds, cpu_used = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu_used, "mib": _peak() - before}


def _reset_peak() -> float:
    """Forget the peak so far, where the system can (Linux); what is resident now, in MiB."""
    if not _CLEAR.exists():
        return _peak()
    _CLEAR.write_text(_PEAK_ONLY)
    return _status("VmRSS")


def _peak() -> float:
    if _STATUS.exists():
        return _status("VmHWM")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _status(name: str) -> float:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def report(costs: dict[str, float], **more: object) -> None:
    """Hand the costs to the process that asked for them: the last line of standard output."""
    print(json.dumps({**costs, **more}), flush=True)
