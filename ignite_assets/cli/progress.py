"""Long work made visible: a bar on a terminal, plain lines elsewhere, and the table at the end.

Progress goes to standard error, so that standard output holds results alone.
"""

import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ignite_assets.cli.text import aligned
from ignite_assets.config import Settings
from ignite_assets.derived.table import TABLES
from ignite_assets.execution import execute
from ignite_assets.instance import dagster_home, open_instance
from ignite_assets.runs import PartitionResult, Plan

_LINE_SECONDS = 10
_LINE_SHARE = 0.1
_ASSETS = tuple(table.name for table in TABLES)


def carry_out(plan: Plan, settings: Settings) -> list[PartitionResult]:
    """Execute the plan with its progress shown; every partition's result, the refused ones included, in order."""
    results = [*plan.refused, *plan.landed]
    if plan.runs:
        results += _execute(plan, settings)
    return sorted(results, key=lambda result: (result.website, result.date, _ASSETS.index(result.asset)))


def _execute(plan: Plan, settings: Settings) -> list[PartitionResult]:
    total = sum(len(run.partitions) for run in plan.runs)
    known: list[PartitionResult] = []
    try:
        with open_instance(dagster_home(settings)) as instance, _progress(total) as progress:

            def take(result: PartitionResult) -> None:
                known.append(result)
                progress.add(result)

            return execute(plan.runs, config=settings.path, instance=instance, on_result=take)
    except KeyboardInterrupt:
        landed = sum(result.status == "materialized" for result in known)
        click.echo(f"{landed} of {total} partitions landed; the runs under way are recorded as canceled.", err=True)
        raise


class _Lines:
    """Progress as plain lines, one every 10 s or 10 %."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total = console, total
        self._done = self._failed = self._said = 0
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._over = False
        self._clock = threading.Thread(target=self._watch_clock, daemon=True)

    def add(self, result: PartitionResult) -> None:
        """Count a partition."""
        with self._lock:
            self._done += 1
            self._failed += result.status != "materialized"
            if self._done - self._said >= self._total * _LINE_SHARE or self._done == self._total:
                self._say()
                self._wake.set()

    def _watch_clock(self) -> None:
        while not self._over:
            if not self._wake.wait(_LINE_SECONDS):
                with self._lock:
                    self._say()
            self._wake.clear()

    def _say(self) -> None:
        self._said = self._done
        elapsed = time.monotonic() - self._started
        left = f", {elapsed / self._done * (self._total - self._done):.0f} s left" if self._done else ""
        self._console.print(
            f"{self._done} of {self._total} partitions, {self._failed} failed, {elapsed:.0f} s{left}", highlight=False
        )

    def __enter__(self) -> Self:
        """Begin to say something every 10 s."""
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Say nothing more."""
        self._over = True
        self._wake.set()
        self._clock.join()


class _Bar:
    """Progress as a bar."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("capturing", total=total, failed=0)
        self._failed = 0

    def add(self, result: PartitionResult) -> None:
        """Count a partition."""
        self._failed += result.status != "materialized"
        self._progress.update(
            self._task, advance=1, failed=self._failed, description=f"{result.website} {result.date} {result.asset}"
        )


@contextmanager
def _progress(total: int) -> Iterator[_Bar | _Lines]:
    console = Console(stderr=True)
    if not console.is_terminal:
        with _Lines(console, total) as lines:
            yield lines
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress, total)


_STYLE: Mapping[str, str | None] = {"materialized": None, "failed": "red", "refused": "yellow"}


def print_table(results: Sequence[PartitionResult]) -> None:
    """What became of each partition, a line each on standard output, then the reasons of what failed."""
    header = ["asset", "website", "date", "status", "rows", "bytes", "seconds"]
    first, *lines = aligned([header, *map(_cells, results)], right=(4, 5, 6))
    click.secho(first, bold=True)
    for result, line in zip(results, lines, strict=True):
        click.secho(line, fg=_STYLE[result.status])
    for reason in _reasons(results):
        click.echo(reason)


def _cells(result: PartitionResult) -> list[str]:
    seconds = "" if result.seconds is None else f"{result.seconds:.2f}"
    numbers = ["" if number is None else f"{number:,}" for number in (result.rows, result.bytes)]
    return [result.asset, result.website, result.date.isoformat(), result.status, *numbers, seconds]


_CONSEQUENCE = re.compile(r"not run, since \w+ failed: ")
_MOST_WEBSITES = 3


def _reasons(results: Sequence[PartitionResult]) -> Iterator[str]:
    """A line for each reason, with the partitions it stands for."""
    alike: dict[tuple[str, str], list[PartitionResult]] = {}
    for result in results:
        if result.error:
            gist = _gist(result).replace(result.date.isoformat(), "…")
            if result.status == "refused":
                gist = re.sub(r"\d+ days", "… days", gist)
            alike.setdefault((result.status, gist), []).append(result)
    if alike:
        yield ""
    for (status, _), of in alike.items():
        yield f"{status}: {_which(of)}: {_gist(of[0])}"


def _gist(result: PartitionResult) -> str:
    """The reason without what differs between partitions that failed alike: website and asset."""
    gist = _CONSEQUENCE.sub("", result.error or "")
    for _ in range(2):
        subject, colon, rest = gist.partition(": ")
        if colon and (subject == result.website or subject in _ASSETS):
            gist = rest
    return gist


def _which(of: Sequence[PartitionResult]) -> str:
    if len(of) == 1:
        return f"{of[0].asset} {of[0].date}|{of[0].website}"
    return f"{len(of)} partitions of {_listed(dict.fromkeys(result.website for result in of))}"


def _listed(websites: Iterable[str]) -> str:
    names = list(websites)
    more = len(names) - _MOST_WEBSITES
    return ", ".join(names[:_MOST_WEBSITES]) + (f" and {more} more" if more > 0 else "")
