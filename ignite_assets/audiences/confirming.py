"""A file of opt-outs that would take too much of a list: nobody is removed or submitted until a person confirms it."""

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ignite_assets.audiences import history, lists
from ignite_assets.audiences.history import Export
from ignite_assets.audiences.ledger import Hashes
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.storage.lake import Lake

People = Callable[[], Iterable[Hashes]]
"""Gives the people of a file, again at each call: a long file is never held whole."""
Examine = Callable[[People], list[str]]
"""The lists of which people would take too much, in words."""
_PREFIX = 16
"""Hexadecimal digits by which people are counted: two share them by chance once in 10^19 pairs."""


def large_losses(
    people: People,
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
    by_algo: dict[str, pa.Array] = {}
    with tempfile.TemporaryDirectory(prefix="ignite-") as folder:
        for of in lists.in_order(of for of in known if of.website in websites):
            if export := history.newest(of):
                algo = export.manifest.algo
                if algo not in by_algo:
                    column = "sha256" if algo == "sha2" else algo
                    by_algo[algo] = _prefixes(getattr(person, column) for person in people())
                listed, taken = _count(export, by_algo[algo], Path(folder) / "state.parquet")
                if taken > 1 and taken > max_share * listed:
                    yield f"{taken:,} of the {listed:,} people of {of.name} {of.website}"


def _prefixes(hashes: Iterable[str]) -> pa.Array:
    return pa.array((int(each[:_PREFIX], 16) for each in hashes if each), pa.uint64())


def _count(export: Export, people: pa.Array, copy: Path) -> tuple[int, int]:
    """How many people are on a list, and how many of them are these."""
    history.fetch_state(export, copy)
    listed = taken = 0
    with pq.ParquetFile(copy) as file:
        for batch in file.iter_batches(columns=["hash", "listed"]):
            found = batch.column("hash").filter(batch.column("listed")).to_pylist()
            listed += len(found)
            taken += pc.sum(pc.is_in(_prefixes(found), value_set=people)).as_py() or 0
    return listed, taken
