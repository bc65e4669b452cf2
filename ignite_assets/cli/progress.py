"""The runs of a plan, executed with their progress in sight, and the results at the end.

Progress goes to standard error, so that standard output holds results alone.
"""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from ignite_assets.cli.bars import starting, tracked
from ignite_assets.cli.runs.plan import PartitionResult, Plan
from ignite_assets.cli.text import aligned
from ignite_assets.config import Settings
from ignite_assets.dagster.website_runs import WebsiteRun
from ignite_assets.tables.checks import Doubt
from ignite_assets.tables.progress import Cadence, Work, begin
from ignite_assets.tables.registry import TABLES

if TYPE_CHECKING:
    from ignite_assets.cli.runs.execution import Launcher

_AT_ONCE = Cadence(quiet_seconds=0)
_ASSETS = tuple(table.name for table in TABLES)


@contextmanager
def started(settings: Settings, websites: int, *, submit: bool = False) -> Iterator["Launcher"]:
    """What runs of so many websites are executed with; their processes start while the runs are planned."""
    with ExitStack() as stack:
        with starting("starting Dagster"), _kept():
            from ignite_assets.cli.runs.execution import launcher

            opened = stack.enter_context(launcher(settings, submit=submit))
        opened.workers.get_ready(websites)  # now that no thread shows anything: `workers` has the reason
        yield opened


@contextmanager
def _kept() -> Iterator[None]:
    """Keep what is loaded within from the garbage collector, which would look through it again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def carry_out(plan: Plan, launcher: "Launcher", *, force: bool = False) -> list[PartitionResult]:
    """Execute the plan with its progress shown; every partition's result, the refused ones included, in order.

    `force`: late captures may replace what was captured on time.
    """
    results = [*plan.refused, *plan.landed]
    if plan.runs:
        results += _execute(plan, launcher, force=force)
    return _in_order(results)


def merged(results: Iterable[PartitionResult], later: Iterable[PartitionResult]) -> list[PartitionResult]:
    """Both, in order; of a partition that is in both, the later result."""
    return _in_order({(each.asset, each.website, each.date): each for each in (*results, *later)}.values())


def _in_order(results: Iterable[PartitionResult]) -> list[PartitionResult]:
    return sorted(results, key=lambda result: (result.website, result.date, _ASSETS.index(result.asset)))


def _execute(plan: Plan, launcher: "Launcher", *, force: bool) -> list[PartitionResult]:
    total = sum(len(run.partitions) for run in plan.runs)
    known: list[PartitionResult] = []
    counts: list[Work] = []
    with ExitStack() as shown:
        shown.enter_context(starting("starting Dagster", lines=False))

        def counted(_: WebsiteRun | None = None) -> Work:
            if not counts:
                shown.close()
                shown.enter_context(tracked(_AT_ONCE))
                counts.append(begin("partitions", total))
            return counts[0]

        def take(result: PartitionResult) -> None:
            known.append(result)
            failed = result.status != "materialized"
            counted().add(failed=failed, at=f"{result.website} {result.date} {result.asset}")

        from ignite_assets.cli.runs.execution import execute

        try:
            return execute(plan.runs, launcher, on_start=counted, on_result=take, force=force)
        except KeyboardInterrupt:
            landed = sum(result.status == "materialized" for result in known)
            click.echo(f"{landed} of {total} partitions landed; {launcher.workers.when_interrupted}.", err=True)
            raise


_STYLE: Mapping[str, str | None] = {"materialized": None, "skipped": None, "failed": "red", "refused": "yellow"}
_MOST_LINES = 40


def print_results(results: Sequence[PartitionResult], *, verbose: bool = False) -> None:
    """Print a line for each partition, or for each asset where there are many, then why some failed or aren't sound.

    What is only worth a look goes to standard error.
    """
    if verbose or len(results) <= _MOST_LINES:
        _print_partitions(results)
    else:
        _print_assets(results)
        click.echo(f"{len(results):,} partitions; --verbose lists each")
    for line in (*_reasons(results), *_doubts(results, "sound")):
        click.echo(line)
    for line in _doubts(results, "usual"):
        click.echo(line, err=True)


def _print_partitions(results: Sequence[PartitionResult]) -> None:
    header = ["asset", "website", "date", "status", "rows", "bytes", "seconds"]
    first, *lines = aligned([header, *map(_cells, results)], right=(4, 5, 6))
    click.secho(first, bold=True)
    for result, line in zip(results, lines, strict=True):
        click.secho(line, fg=_STYLE[result.status])


def _print_assets(results: Sequence[PartitionResult]) -> None:
    there = {result.status for result in results}
    statuses = [status for status in _STYLE if status in there]
    header = ["asset", "websites", "dates", *statuses, "rows", "bytes"]
    rows = [_summary([result for result in results if result.asset == asset], statuses) for asset in _ASSETS]
    first, *lines = aligned([header, *filter(None, rows)], right=range(1, len(header)))
    click.secho(first, bold=True)
    for line in lines:
        click.echo(line)


def _summary(of: Sequence[PartitionResult], statuses: Sequence[str]) -> list[str]:
    """The cells of an asset; none without partitions."""
    if not of:
        return []
    numbers = [
        len({result.website for result in of}),
        len({result.date for result in of}),
        *(sum(result.status == status for result in of) for status in statuses),
        sum(result.rows or 0 for result in of),
        sum(result.bytes or 0 for result in of),
    ]
    return [of[0].asset, *(f"{number:,}" for number in numbers)]


def _cells(result: PartitionResult) -> list[str]:
    seconds = "" if result.seconds is None else f"{result.seconds:.2f}"
    numbers = ["" if number is None else f"{number:,}" for number in (result.rows, result.bytes)]
    return [result.asset, result.website, result.date.isoformat(), result.status, *numbers, seconds]


_MOST_WEBSITES = 3
_SAID = {"sound": "not sound", "usual": "to look at"}


def _reasons(results: Sequence[PartitionResult]) -> Iterator[str]:
    """A line for each cause, with the partitions that did not land for it."""
    alike: dict[tuple[object, ...], list[PartitionResult]] = {}
    for result in results:
        if result.failure:
            alike.setdefault((result.status, *result.failure.cause), []).append(result)
    if alike:
        yield ""
    for of in alike.values():
        if (first := of[0]).failure:
            yield f"{first.status}: {_which(of)}: {first.failure.words}"


def _doubts(results: Sequence[PartitionResult], check: str) -> Iterator[str]:
    """A line for each thing to do that a check found, with its partitions and what was found in the first of them."""
    alike: dict[str, list[tuple[PartitionResult, Doubt]]] = {}
    for result in results:
        for doubt in result.doubts:
            if doubt.check == check:
                alike.setdefault(doubt.what_to_do, []).append((result, doubt))
    if alike:
        yield ""
    for what_to_do, of in alike.items():
        such_as = "such as " if len({doubt.found for _, doubt in of}) > 1 else ""
        yield f"{_SAID[check]}: {_which([result for result, _ in of])}: {such_as}{of[0][1].found}"
        yield from (f"  {line}" for line in what_to_do.splitlines())


def _which(of: Sequence[PartitionResult]) -> str:
    if len(of) == 1:
        return f"{of[0].asset} {of[0].date}|{of[0].website}"
    return f"{len(of)} partitions of {_listed(dict.fromkeys(result.website for result in of))}"


def _listed(websites: Iterable[str]) -> str:
    names = list(websites)
    more = len(names) - _MOST_WEBSITES
    return ", ".join(names[:_MOST_WEBSITES]) + (f" and {more} more" if more > 0 else "")
