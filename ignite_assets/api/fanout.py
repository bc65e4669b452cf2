"""Work done side by side whose results come in the order given, a bounded number of them at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from functools import partial
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")
_SIGNALS_EVERY = 0.5
"""Seconds after which a wait is begun anew. Python handles a signal that comes just before a wait only at its end."""


def in_order(
    executor: Executor,
    work: Iterable[tuple[K, Callable[[], V]]],
    *,
    ahead: int,
    discard: Callable[[V], None] | None = None,
) -> Iterator[tuple[K, V]]:
    """Each piece of work's key with its result, in order; at most `ahead` are under way or waiting to be taken.

    A caller that stops taking results cancels work that has not begun; `discard` gets the results of the rest, once
    they are there.
    """
    under_way: deque[tuple[K, Future[V]]] = deque()
    try:
        for key, task in work:
            under_way.append((key, executor.submit(task)))
            if len(under_way) >= ahead:
                yield _first(under_way)
        while under_way:
            yield _first(under_way)
    finally:
        for _, future in under_way:
            if not future.cancel() and discard:
                future.add_done_callback(partial(_discard, discard))


def _discard(discard: Callable[[V], None], done: Future[V]) -> None:
    if not done.exception():
        discard(done.result())


def _first(under_way: deque[tuple[K, Future[V]]]) -> tuple[K, V]:
    key, future = under_way[0]
    while not wait([future], timeout=_SIGNALS_EVERY).done:
        pass
    under_way.popleft()
    return key, future.result()
