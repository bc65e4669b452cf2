"""What starting costs: imports, `--help`, many websites.

Each a fresh process, interleaved; `min` of several calls inside one would hide what a user waits for.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.report import Verdict, quartiles
from benchmarks.rounds import environment

_IMPORT = "import time; started = time.perf_counter(); {}; print(time.perf_counter() - started)"
_MANY = (
    "import datetime as dt, time\n"
    "import dagster as dg\n"
    "from pathlib import Path\n"
    "from ignite_assets.dagster.build import build_defs\n"
    "from ignite_assets.config import load_settings\n"
    "started = time.perf_counter()\n"
    "defs = build_defs(load_settings(Path({path!r})))\n"
    "defs.get_repository_def()\n"
    "print(time.perf_counter() - started)\n"
)


def measure(rounds: int, scratch: Path) -> list[Verdict]:
    """The three bars."""
    few, many = scratch / "few.toml", scratch / "many.toml"
    few.write_text(_config(1))
    many.write_text(_config(500))
    command = Path(sys.executable).with_name("ignite-assets")
    definitions = "import ignite_assets.definitions"
    waits: dict[str, list[float]] = {name: [] for name in ("dagster", "definitions", "python", "help", "many")}
    for _ in range(rounds):
        waits["dagster"].append(_inside(_IMPORT.format("import dagster"), few))
        waits["definitions"].append(_inside(_IMPORT.format(definitions), few))
        waits["python"].append(_outside([sys.executable, "-c", ""], few))
        waits["help"].append(_outside([str(command), "--help"], few))
        waits["many"].append(_inside(_MANY.format(path=str(many)), many))
    return [
        _added("import ignite_assets.definitions - import dagster", waits["definitions"], waits["dagster"], 0.25),
        _added("ignite-assets --help - python", waits["help"], waits["python"], 0.3),
        _added("definitions of 500 websites, 400 days", waits["many"], [0.0] * rounds, 1.0),
    ]


def _config(websites: int) -> str:
    tables = (f'[websites.w{n}]\ntoken_env = "TOKEN_{n}"\nsecret_env = "SECRET_{n}"\n' for n in range(websites))
    start = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 400 * 86_400))
    return f'partitions.start_date = "{start}"\n' + "".join(tables)


def _inside(code: str, config: Path) -> float:
    out = subprocess.run(
        [sys.executable, "-c", code], env=_environment(config), check=True, capture_output=True, text=True
    ).stdout
    return float(out.splitlines()[-1])


def _outside(command: list[str], config: Path) -> float:
    started = time.perf_counter()
    quiet = subprocess.DEVNULL
    subprocess.run(command, env=_environment(config), check=True, stdout=quiet, stderr=quiet)
    return time.perf_counter() - started


def _environment(config: Path) -> dict[str, str]:
    return {**os.environ, **environment(), "IGNITE_CONFIG": str(config)}


def _added(what: str, whole: list[float], part: list[float], limit: float) -> Verdict:
    each = [one - other for one, other in zip(whole, part, strict=True)]
    added = statistics.median(whole) - statistics.median(part)
    return Verdict("start-up", what, added, limit, "s", quartiles(each))
