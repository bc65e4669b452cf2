"""An asset of a lake on an object store, as DuckDB scans it: only what a filter leaves is listed and opened.

DuckDB hands the filters that Arrow can express to `Dataset.scanner`. Arrow's own simplification, by what is known of
each folder, says which websites and then which days can hold rows: the files of other websites are not even listed. A
filter that DuckDB doesn't hand on prunes nothing, and DuckDB applies it to the rows.
"""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads

from ignite_assets.storage.lake import Files, Lake, Version, version


class Pruned(pads.InMemoryDataset):  # type: ignore[misc]  # pyarrow has no types
    """A dataset without rows of its own, whose scans read the asset's files as they are then."""

    def __init__(self, lake: Lake, asset: str, schema: pa.Schema) -> None:
        super().__init__([], schema=schema)
        self._lake, self._asset = lake, asset
        self._read: dict[str, set[Version]] = {}

    def scanner(self, **options: Any) -> pads.Scanner:
        """A scan of the files that hold what `filter` asks for."""
        files: Files = {}
        websites = self._websites(options.get("filter"))
        for website, found in zip(websites, self._listed(websites), strict=True):
            self._read.setdefault(website, set()).update(map(version, found.values()))
            files |= found
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

    def _websites(self, kept: pads.Expression | None) -> list[str]:
        """The websites whose partitions can hold rows that a filter keeps, sorted."""
        websites = self._lake.websites(self._asset)
        if kept is None:
            return websites
        form, files = pads.ParquetFileFormat(), self._lake.store.filesystem
        folders = [form.make_fragment(each, files, pads.field("website") == each) for each in websites]
        left = pads.FileSystemDataset(folders, self.schema, form, files).get_fragments(kept)
        return [folder.path for folder in left]
