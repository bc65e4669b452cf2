"""Long work made visible: a bar on a terminal, plain lines elsewhere, and the table at the end.

Progress goes to standard error, so that standard output holds results alone.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ignite_assets.cli.text import aligned
from ignite_assets.config import Settings
from ignite_assets.instance import dagster_home, open_instance
from ignite_assets.runs import PartitionResult, Plan, execute

_LINE_SECONDS = 10
_LINE_SHARE = 0.1


def carry_out(plan: Plan, settings: Settings) -> list[PartitionResult]:
    """Execute the plan with its progress shown; every partition's result, the refused ones included, sorted."""
    total = sum(len(run.partitions) for run in plan.runs)
    results = list(plan.refused)
    if plan.runs:
        with open_instance(dagster_home(settings)) as instance, _progress(total) as progress:
            results += execute(plan.runs, config=settings.path, instance=instance, on_result=progress.add)
    return sorted(results, key=lambda result: (result.website, result.date, result.asset))


class _Lines:
    """Progress as plain lines, one every 10 s or 10 %."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total = console, total
        self._done = self._failed = 0
        self._started = self._said_at = time.monotonic()
        self._said = 0

    def add(self, result: PartitionResult) -> None:
        """Count a partition."""
        self._done += 1
        self._failed += result.status != "materialized"
        due = self._done - self._said >= self._total * _LINE_SHARE or time.monotonic() - self._said_at >= _LINE_SECONDS
        if due or self._done == self._total:
            self._say()

    def _say(self) -> None:
        self._said, self._said_at = self._done, time.monotonic()
        elapsed = self._said_at - self._started
        left = elapsed / self._done * (self._total - self._done)
        self._console.print(
            f"{self._done} of {self._total} partitions, {self._failed} failed, {elapsed:.0f} s, {left:.0f} s left",
            highlight=False,
        )


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
        yield _Lines(console, total)
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


def _reasons(results: Sequence[PartitionResult]) -> Iterator[str]:
    """A line for each reason, with the partitions it stands for."""
    by_reason: dict[str, list[PartitionResult]] = {}
    for result in results:
        if result.error:
            by_reason.setdefault(result.error, []).append(result)
    if by_reason:
        yield ""
    for reason, of in by_reason.items():
        first = f"{of[0].status}: {of[0].asset} {of[0].date}|{of[0].website}"
        more = f" and {len(of) - 1} more" if len(of) > 1 else ""
        yield f"{first}{more}: {reason}"
