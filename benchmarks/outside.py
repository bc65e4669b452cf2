"""Whole processes, as a shell waits for them: commands that begin with an interpreter and end with an exit.

A work that is `whole` is measured here. Its variants are the commands below, and modules that run once, cold.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks import exports
from benchmarks.sites import NIGHT_WEBSITES
from benchmarks.task import Task, look_back_days
from benchmarks.variants.site_dagster import configure
from ignite_assets.dagster.instance import open_instance

BIN = Path(sys.executable).parent
_TRIVIAL = (
    "import dagster as dg\n"
    "@dg.asset\n"
    "def trivial(): return dg.MaterializeResult()\n"
    "defs = dg.Definitions(assets=[trivial], executor=dg.in_process_executor)\n"
)
Command = list[str]


def measured(command: Command, environment: Mapping[str, str], cwd: Path) -> dict[str, float]:
    """Seconds until a command has ended, CPU seconds of it and its children, the peak of the largest of them in MiB.

    Raises `RuntimeError` with the last line of its standard error where it fails.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read().decode(errors="replace")
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise RuntimeError((errors.strip().splitlines() or [f"ended with status {process.returncode}"])[-1])
    return {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "mib": _mib(used)}


def _mib(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _materialize(task: Task, *arguments: str, websites: int = 1) -> Command:
    """Our command over the task's website."""
    os.environ["IGNITE_CONFIG"] = str(configure(task, websites=websites))
    _prepare(task)
    return [str(BIN / "ignite-assets"), "materialize", *arguments]


def _prepare(task: Task) -> None:
    """Make the instance and its files, as they are when a command isn't the first."""
    with open_instance(task.folder / "dagster_home"):
        pass


def _partition(task: Task) -> Command:
    return _materialize(task, "--select", task.endpoint)


def _captures(task: Task) -> Command:
    return _materialize(task, *_sixty_days(), "--select", "group:look_back", "--captures-only")


def _everything(task: Task) -> Command:
    return _materialize(task, *_sixty_days(), "--select", "group:look_back,group:derived")


def _sixty_days() -> list[str]:
    days = look_back_days()
    return ["--from", str(days[0]), "--to", str(days[-1])]


def _night(task: Task) -> Command:
    return _materialize(task, websites=NIGHT_WEBSITES)


def _trivial(task: Task) -> Command:
    """Dagster's own command over an asset that does nothing."""
    _prepare(task)
    (task.folder / "trivial.py").write_text(_TRIVIAL)
    return [str(BIN / "dagster"), "asset", "materialize", "--select", "trivial", "-f", str(task.folder / "trivial.py")]


def _recency(task: Task) -> Command:
    """`visitor_recency` of a lake of captures, which is made once."""
    _link_captures(task)
    return _materialize(task, "--select", "visitor_recency")


def _export(variant: str) -> Callable[[Task], Command]:
    def command(task: Task) -> Command:
        _link_captures(task)
        return [sys.executable, "-m", "benchmarks.exports", variant, str(task.folder)]

    return command


def _link_captures(task: Task) -> None:
    """Thirty days of the website's visitors in the task's folder: a link to what is made once beside it."""
    made = task.folder.parent / f"captures-{task.site_name}"
    if not made.exists():
        exports.make_lake(replace(task, folder=made))
    (task.folder / "lake").mkdir()
    (task.folder / "lake" / "visitors").symlink_to(made / "visitors")


COMMANDS: Mapping[str, Callable[[Task], Command]] = {
    "command.partition": _partition,
    "command.captures": _captures,
    "command.everything": _everything,
    "command.night": _night,
    "command.trivial": _trivial,
    "command.recency": _recency,
    "command.export": _export("export"),
    "command.bare_export": _export("bare"),
}


def command_of(variant: str, python: Path, task: Task) -> Command:
    """The command of a variant, with all prepared that isn't measured."""
    if variant in COMMANDS:
        return COMMANDS[variant](task)
    return [str(python), "-m", "benchmarks.one", "--cold", variant, told(task)]


def told(task: Task) -> str:
    """A task as `benchmarks.one` reads it."""
    return json.dumps(
        {"endpoint": task.endpoint, "site": task.site_name, "server": task.server, "folder": str(task.folder)}
    )
