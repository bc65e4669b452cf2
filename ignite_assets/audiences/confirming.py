"""A file of opt-outs that would take too much of a list: nobody is removed or submitted until a person confirms it."""

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from ignite_assets.audiences import history, lists
from ignite_assets.audiences.history import Export
from ignite_assets.audiences.ledger import Hashes
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.storage.lake import Lake

Examine = Callable[[Sequence[Hashes]], list[str]]
"""The lists of which people would take too much, in words."""


def large_losses(
    people: Sequence[Hashes],
    lake: Lake,
    rules: Sequence[ExportRule],
    websites: Collection[str],
    max_share: float,
) -> Iterator[str]:
    """The lists of which these people are more than a share, and more than one person, in words.

    Of all that were ever written for the websites, whether or not a rule still asks for them.
    """
    lists.adopt(lake, rules)
    known = [of for of, event in lists.on_record(lake, None, rules).items() if event != "retired"]
    with tempfile.TemporaryDirectory(prefix="ignite-") as folder:
        for of in lists.in_order(of for of in known if of.website in websites):
            if export := history.newest(of):
                listed, taken = _count(export, people, Path(folder) / "state.parquet")
                if taken > 1 and taken > max_share * listed:
                    yield f"{taken:,} of the {listed:,} people of {of.name} {of.website}"


def _count(export: Export, people: Sequence[Hashes], copy: Path) -> tuple[int, int]:
    """How many people are on a list, and how many of them are these."""
    history.fetch_state(export, copy)
    algo = export.manifest.algo
    hashes = {getattr(person, "sha256" if algo == "sha2" else algo) for person in people}
    listed = taken = 0
    with pq.ParquetFile(copy) as file:
        for batch in file.iter_batches(columns=["hash", "listed"]):
            found = batch.column("hash").filter(batch.column("listed")).to_pylist()
            listed += len(found)
            taken += sum(each in hashes for each in found)
    return listed, taken
