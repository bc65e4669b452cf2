"""An asset of a lake on an object store, as DuckDB scans it: only what a filter leaves is listed and opened.

DuckDB hands the filters that Arrow can express to `Dataset.scanner`. Arrow's own simplification, by what is known of
each folder, says which websites and then which days can hold rows: the files of other websites are not even listed. A
filter that DuckDB doesn't hand on prunes nothing, and DuckDB applies it to the rows.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.dataset as pads

from ignite_assets.storage.fragments import InPath, holding
from ignite_assets.storage.lake import Files, Lake, Version, version

_Place = TypeVar("_Place")


class Pruned(pads.InMemoryDataset):  # type: ignore[misc]  # pyarrow has no types
    """A dataset without rows of its own, whose scans read the asset's files as they are then."""

    def __init__(self, lake: Lake, asset: str, schema: pa.Schema) -> None:
        super().__init__([], schema=schema)
        self._lake, self._asset = lake, asset
        self._read: dict[str, set[Version]] = {}

    def scanner(self, **options: Any) -> pads.Scanner:
        """A scan of the files that hold what `filter` asks for."""
        kept = options.get("filter")
        websites = self._left({each: {"website": each} for each in self._lake.websites(self._asset)}, kept)
        files: Files = {}
        for website, listed in zip(websites, self._listed(websites), strict=True):
            found = self._left({each: each.in_path for each in listed}, kept)
            self._read.setdefault(website, set()).update(version(listed[each]) for each in found)
            files |= {each: listed[each] for each in found}
        return self._lake.scanned(files, self.schema).scanner(**options)

    def forget(self) -> None:
        """Begin a statement: what earlier ones read may change."""
        self._read = {}

    def is_current(self) -> bool:
        """Whether the files that were listed since `forget` are what they were; more may be."""
        now = zip(self._read.values(), self._listed(self._read), strict=True)
        return all(read <= set(map(version, files.values())) for read, files in now)

    def _listed(self, websites: Iterable[str]) -> list[Files]:
        return self._lake.store.each(lambda website: self._lake.files(self._asset, website), websites)

    def _left(self, places: Mapping[_Place, InPath], kept: pads.Expression | None) -> list[_Place]:
        """The places that can hold rows that a filter keeps, in their order."""
        known = list(places)
        if kept is None:
            return known
        form, files = pads.ParquetFileFormat(), self._lake.store.filesystem
        fragments = [form.make_fragment(str(n), files, holding(places[each])) for n, each in enumerate(known)]
        left = pads.FileSystemDataset(fragments, self.schema, form, files).get_fragments(kept)
        return [known[n] for n in sorted(int(fragment.path) for fragment in left)]
