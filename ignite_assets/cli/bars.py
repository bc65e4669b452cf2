"""Work shown while it goes on: bars on a terminal, plain lines elsewhere, all of it on standard error."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

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

from ignite_assets.tables.progress import Pace, Progress, rate

_TICK_SECONDS = 1


class Shown(Protocol):
    """One piece of work in sight."""

    def add(self, count: int = 1, *, failed: int = 0, at: str = "") -> None:
        """So much more is done, `failed` of it went wrong; `at` says what it was, where there is room."""


class Begin(Protocol):
    """Begins a piece of work: its noun, and its total if that is known. The one before it is over."""

    def __call__(self, noun: str, total: int | None) -> Shown:
        """The work, to be counted."""


@contextmanager
def tracked(pace: Pace | None = None) -> Iterator[Begin]:
    """What to begin work with. `pace` says when there are plain lines; bars are there at once, and gone at the end."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Bars(*_columns(), console=console, transient=True) as bars:
            yield _Bars(bars)
    else:
        with _ticking(_Lines(console, pace)) as lines:
            yield lines


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
    def __init__(self, console: Console, pace: Pace | None) -> None:
        self._console, self._pace = console, pace
        self._last: Progress | None = None

    def __call__(self, noun: str, total: int | None) -> "_Line":
        self._last = Progress(noun, total, self._print, pace=self._pace)
        return _Line(self._last)

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False)

    def tick(self) -> None:
        if self._last:
            self._last.tick()


class _Line:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def add(self, count: int = 1, *, failed: int = 0, at: str = "") -> None:  # noqa: ARG002 - lines have no room
        self._progress.add(count, failed=failed)


@contextmanager
def _ticking(lines: _Lines) -> Iterator[_Lines]:
    """Let time pass for work that counts nothing for long."""
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
