"""Work shown while it goes on: bars on a terminal, plain lines elsewhere, all of it on standard error."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

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

from ignite_assets.tables.progress import Cadence, Progress, rate, showing

_TICK_SECONDS = 1


@contextmanager
def tracked(cadence: Cadence | None = None) -> Iterator[None]:
    """Show the work that is begun within, one piece at a time: the next replaces the one before.

    `cadence` says when there are plain lines; bars are there at once, and gone at the end.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        with Bars(*_columns(), console=console, transient=True) as bars, showing(_Bars(bars)):
            yield
    else:
        with _ticking(_Lines(console, cadence)) as lines, showing(lines):
            yield


class _Bars:
    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    def __call__(self, noun: str, total: int | None) -> "_Bar":
        for task in self._bars.task_ids:
            self._bars.remove_task(task)
        return _Bar(self._bars, noun, total)


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


class _Lines:
    def __init__(self, console: Console, cadence: Cadence | None) -> None:
        self._console, self._cadence = console, cadence
        self._last: Progress | None = None

    def __call__(self, noun: str, total: int | None) -> Progress:
        self._last = Progress(noun, total, self._print, cadence=self._cadence)
        return self._last

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False)

    def tick(self) -> None:
        if self._last:
            self._last.tick()


@contextmanager
def _ticking(lines: _Lines) -> Iterator[_Lines]:
    """Look every second whether a line is due, for work that counts nothing for long."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_TICK_SECONDS):
            lines.tick()

    clock = threading.Thread(target=watch, daemon=True)
    clock.start()
    try:
        yield lines
    finally:
        over.set()
        clock.join()
