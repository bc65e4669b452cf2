"""Hashes in the form that a destination takes: whether it would be refused, in how many files, and their bytes."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from ignite_assets.api.table import HASH_LENGTHS, Algo
from ignite_assets.audiences.destinations import Action, Destination, ListFacts

_CHUNK_LINES = 4096


def preflight(destination: Destination, algo: Algo, list_name: str) -> list[str]:
    """Why the platform would refuse a list, whoever is on it; nothing when it would not."""
    reasons = []
    if algo not in destination.algos:
        reasons.append(f"{destination.title} takes {' or '.join(destination.algos)}, the website is captured as {algo}")
    if destination.max_list_name is not None and len(list_name) > destination.max_list_name:
        reasons.append(f"{destination.title} takes list names of at most {destination.max_list_name} characters")
    return reasons


def rows_per_file(destination: Destination, facts: ListFacts, action: Action) -> int | None:
    """The most people that one file may hold; None where no limit is documented.

    A list's hashes have one length, and so have its lines.
    """
    head = destination.head(facts, action)
    limits = []
    if destination.max_file_rows is not None:
        limits.append(destination.max_file_rows - len(head))
    if destination.max_file_bytes is not None:
        line = len(_bytes([destination.line(_longest(facts), facts)]))
        limits.append((destination.max_file_bytes - len(_bytes(head))) // line)
    return min(limits, default=None)


def part_of(action: Action, number: int) -> Action:
    """What the file of that number, from 0, does: a second one that replaces would undo the first."""
    return "add" if action == "replace" and number else action


def render(
    destination: Destination, facts: ListFacts, hashes: Iterable[str], action: Action
) -> Iterator[Iterator[bytes]]:
    """The files, one after the other, each as its bytes in pieces.

    Nothing is held beyond a piece, so a file has to be read before the next is asked for. Nobody to add or to remove
    makes no file; a list that is replaced by nobody makes one without lines.
    """
    people = iter(hashes)
    most = rows_per_file(destination, facts, action)
    number = 0
    for first in people:
        rest = people if most is None else islice(people, most - 1)
        yield _file(destination, facts, chain([first], rest), part_of(action, number))
        number += 1
    if action == "replace" and not number:
        yield _file(destination, facts, iter(()), action)


def _file(destination: Destination, facts: ListFacts, hashes: Iterator[str], action: Action) -> Iterator[bytes]:
    yield _bytes(destination.head(facts, action))
    while chunk := [destination.line(value, facts) for value in islice(hashes, _CHUNK_LINES)]:
        yield _bytes(chunk)


def _bytes(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _longest(facts: ListFacts) -> str:
    return "0" * HASH_LENGTHS[facts.algo]
