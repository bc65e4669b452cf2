"""Interleaved rounds: every variant once, each in a fresh process, then all of them again."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.content import content
from benchmarks.outside import command_of, measured, told
from benchmarks.task import Task
from benchmarks.works import Work, site_of

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Result:
    """What the rounds of one variant brought."""

    variant: str
    costs: list[dict[str, float]] = field(default_factory=list)
    content: dict[str, Any] = field(default_factory=dict)
    """Rows and hash, of the first round."""
    failed: str = ""
    """Why there is nothing more, in a line."""


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The benchmark's server; its address."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.server"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


def run_work(work: Work, variants: Mapping[str, Path], rounds: int, address: str, scratch: Path) -> list[Result]:
    """All rounds of a work. `variants` names the Python of each; one that fails is left out from then on."""
    for site in {"warm", *(site_of(work, variant) for variant in variants)}:
        ask(f"{address}/_prepare/{site}")
    results = [Result(variant) for variant in variants]
    for number in range(rounds):
        # Every other round the other way round, so that whatever follows a heavy variant isn't always the same one.
        for result in results if number % 2 == 0 else reversed(results):
            if not result.failed:
                with tempfile.TemporaryDirectory(dir=scratch) as folder:
                    _once(work, result, variants[result.variant], address, Path(folder))
    return results


def _once(work: Work, result: Result, python: Path, address: str, folder: Path) -> None:
    task = Task(work.endpoint, site_of(work, result.variant), address, folder)
    used = float(ask(f"{address}/_cpu"))
    try:
        costs = (_outside if work.whole else _inside)(result.variant, python, task)
    except RuntimeError as error:
        result.failed = str(error)
        return
    costs["server_cpu"] = float(ask(f"{address}/_cpu")) - used
    result.costs.append(costs)
    if work.compared and result.variant != "variants.wire" and not result.content:
        result.content = content(work.endpoint, folder)


def _outside(variant: str, python: Path, task: Task) -> dict[str, float]:
    """What a variant costs as a whole process."""
    return measured(command_of(variant, python, task), environment(), ROOT)


def _inside(variant: str, python: Path, task: Task) -> dict[str, float]:
    """What a variant costs between its imports and its exit, by its own measure."""
    ended = subprocess.run(
        [python, "-m", "benchmarks.one", variant, told(task)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    if ended.returncode:
        raise RuntimeError((ended.stderr.strip().splitlines() or ["no reason given"])[-1])
    costs: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return costs


def environment() -> dict[str, str]:
    """No telemetry of anybody, no proxies on the way to this machine, no threads that spin for work after an import."""
    quiet = {"DAGSTER_DISABLE_TELEMETRY": "yes", "RUNTIME__DLTHUB_TELEMETRY": "false", "NO_PROXY": "*"}
    quiet["OPENBLAS_NUM_THREADS"] = "1"
    return {**os.environ, **quiet, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def ask(url: str) -> bytes:
    """The body of an answer of the benchmark's server."""
    with urllib.request.urlopen(url, timeout=300) as response:
        body: bytes = response.read()
        return body


def same_content(results: Sequence[Result]) -> list[str]:
    """The variants whose content isn't that of the package's, the first."""
    ours = results[0].content
    return [result.variant for result in results if result.content and result.content != ours]
