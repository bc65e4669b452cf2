"""A file of opt-outs that would take too much of a list: nobody is removed or submitted until a person confirms it."""

from collections.abc import Callable, Collection, Iterator, Sequence

import pyarrow.parquet as pq

from ignite_assets.audiences import folders
from ignite_assets.audiences.folders import Sent
from ignite_assets.audiences.ledger import Hashes
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.storage.store import Store

Examine = Callable[[Sequence[Hashes]], list[str]]
"""The lists of which people would take too much, in words."""


def large_losses(
    people: Sequence[Hashes], rules: Sequence[ExportRule], websites: Collection[str], max_share: float
) -> Iterator[str]:
    """The lists of which these people are more than a share, and more than one person, in words."""
    for sent in _lists(rules, websites):
        column = "sha256" if sent.manifest.algo == "sha2" else sent.manifest.algo
        listed, taken = _count(sent, {getattr(person, column) for person in people})
        if taken > 1 and taken > max_share * listed:
            yield f"{taken:,} of the {listed:,} people of {sent.manifest.rule} {sent.manifest.website}"


def _lists(rules: Sequence[ExportRule], websites: Collection[str]) -> Iterator[Sent]:
    for rule in rules:
        for website in filter(rule.covers, sorted(websites)):
            store = Store(rule.to)
            for of, days in folders.exports(store, rule.name, website).items():
                yield folders.read(store, of, days[-1])


def _count(sent: Sent, hashes: set[str]) -> tuple[int, int]:
    """How many people are on a list, and how many of them have one of these hashes."""
    listed = taken = 0
    store, name = sent.state
    with store.open(name) as file:
        for batch in pq.ParquetFile(file).iter_batches(columns=["hash", "listed"]):
            found = batch.column("hash").filter(batch.column("listed")).to_pylist()
            listed += len(found)
            taken += sum(each in hashes for each in found)
    return listed, taken
