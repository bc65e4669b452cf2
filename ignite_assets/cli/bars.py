"""Work shown while it goes on: bars on a terminal, plain lines elsewhere, all of it on standard error."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from ignite_assets.tables.progress import Cadence, Display, Progress, rate, showing

_TICK_SECONDS = 1


@contextmanager
def tracked(cadence: Cadence | None = None) -> Iterator[None]:
    """Show the work that is begun within, one piece at a time: the next replaces the one before.

    `cadence` says when there are plain lines; bars are there at once, and gone at the end.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        with Bars(*_columns(), console=console, transient=True) as bars, showing(partial(_only_bar, bars)):
            yield
    else:
        with _lines(console, cadence) as display, showing(display):
            yield


@contextmanager
def starting(words: str, *, lines: bool = True) -> Iterator[None]:
    """Say what is waited for, before there is anything to count; `lines`: elsewhere than on a terminal, too."""
    console = Console(stderr=True)
    if not console.is_terminal:
        if lines:
            console.print(words, highlight=False)
        yield
        return
    with console.status(words):
        yield


def _only_bar(bars: Bars, noun: str, total: int | None) -> "_Bar":
    for task in bars.task_ids:
        bars.remove_task(task)
    return _Bar(bars, noun, total)


class _Bar:
    def __init__(self, bars: Bars, noun: str, total: int | None) -> None:
        self._bars = bars
        self._task = bars.add_task(noun, total=total, failed=0)
        self._failed = 0

    def add(self, count: int = 1, *, failed: int = 0, at: str = "") -> None:
        self._failed += failed
        self._bars.update(self._task, advance=count, failed=self._failed, description=at or None)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(rate(task.speed) if task.speed else "")


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )


@contextmanager
def _lines(console: Console, cadence: Cadence | None) -> Iterator[Display]:
    """Lines about the work begun last. Every second it is asked for one, since it may count nothing for long."""
    begun: list[Progress] = []
    over = threading.Event()

    def display(noun: str, total: int | None) -> Progress:
        begun.append(Progress(noun, total, partial(console.print, highlight=False), cadence=cadence))
        return begun[-1]

    def watch() -> None:
        while not over.wait(_TICK_SECONDS):
            for work in begun[-1:]:
                work.tick()

    clock = threading.Thread(target=watch, daemon=True)
    clock.start()
    try:
        yield display
    finally:
        over.set()
        clock.join()
