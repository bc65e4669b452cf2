"""One variant, once, in this process: `python -m benchmarks.one VARIANT TASK`; prints what it cost as JSON.

The variant is imported and run on a tiny website first, so that neither imports nor what is made at the first use
are timed. `--cold` before it: it is run once, and measured from outside.
"""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import measure, report
from benchmarks.task import Task


def main(variant: str, told: str, *, cold: bool = False) -> None:
    """Run a variant of the package's own environment, or a peer's, in this process."""
    facts = json.loads(told)
    task = Task(facts["endpoint"], facts["site"], facts["server"], Path(facts["folder"]))
    run = importlib.import_module(f"benchmarks.{variant}").run
    if cold:
        run(task)
        return
    warm = replace(task, site_name="warm", folder=task.folder / "warm")
    for each in (warm, task):
        each.folder.mkdir(parents=True, exist_ok=True)
    run(warm)
    report(measure(lambda: run(task)))


if __name__ == "__main__":
    main(*sys.argv[-2:], cold="--cold" in sys.argv)
