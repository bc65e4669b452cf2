"""Where and how assets' values are stored: one Parquet file a partition, in the lake. Nothing else.

Stores the captures of our own assets, and tables and data frames of yours (`frames` says which). Loads by the
annotation of the input, never by the number of partitions, each with the columns that the path holds: `website` and
`date` of our assets, `date` of your own daily ones.
"""

import contextlib
import tempfile
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Protocol, Self

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, PrivateAttr

from ignite_assets.api.errors import MissingPartitionError
from ignite_assets.config import Settings
from ignite_assets.dagster.failures import failure, input_failure
from ignite_assets.dagster.frames import as_table, by_partition, loaded, without_path
from ignite_assets.dagster.keys import FOLDER
from ignite_assets.dagster.landing import Landings
from ignite_assets.dagster.liveness import Pulse
from ignite_assets.dagster.metadata import place
from ignite_assets.dagster.partitions import files_of
from ignite_assets.dagster.private import describe_partition, held_open
from ignite_assets.storage.lake import Lake, OwnFile, Selection, StorageError, Stored
from ignite_assets.tables.progress import lines, showing
from ignite_assets.tables.registry import TABLES

TABLES_BY_NAME = {table.name: table for table in TABLES}
IO_MANAGER = "ignite_lake"
"""The resource's name. Not Dagster's default one, so that it stands beside the IO manager of another project."""

_MEMORY_BYTES = 1 << 25


class _Context(Protocol):
    """What a step, an op or a check is handed, as far as it has resources."""

    @property
    def resources(self) -> Any: ...


def lake_of(context: _Context, settings: Settings) -> Lake:
    """The lake of the IO manager that a run is given."""
    io_manager: ParquetIOManager = getattr(context.resources, settings.dagster.named(IO_MANAGER))
    return io_manager.lake


class ParquetIOManager(dg.ConfigurableIOManager):
    """Stores partitions as `<root>/<asset>/website=<website>/date=<date>/part-0.parquet`, each replaced atomically."""

    root: str = Field(description="The lake: a path, or a URL that pyarrow.fs knows (s3://).")
    _lake: Lake | None = PrivateAttr(default=None)
    _pulse: Pulse | None = PrivateAttr(default=None)

    @property
    def lake(self) -> Lake:
        """The lake at the root."""
        if self._lake is None:
            self._lake = Lake(self.root)
        return self._lake

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Self]:
        """For a run or a step: what it records costs less meanwhile."""
        with contextlib.ExitStack() as files:
            if context.instance and context.run:
                files.enter_context(held_open(context.instance, context.run.run_id))
                self._pulse = Pulse(context.instance, context.run)
                files.enter_context(self._pulse.beating())
            yield files.enter_context(super().yield_for_execution(context))

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Commit each partition of the output as it comes."""
        if isinstance(obj, Landings):
            obj.lake = self.lake
            try:
                with showing(lines(context.log.info)):
                    for landing in obj:
                        landing.store(self.lake, self._check_run)
            except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
                obj.record_landed()
                raise
            except dg.Failure:
                obj.evaluate_for_all()
                raise
            return
        self._store(context, obj)

    def _check_run(self) -> None:
        """Stop a run that others have taken over."""
        if self._pulse:
            self._pulse.check()

    def _store(self, context: dg.OutputContext, obj: object) -> None:
        stored = {self._key(each): each for each in self._stored(context)}
        if not isinstance(obj, Mapping) and len(stored) == 1:
            parts = {key: as_table(obj) for key in stored}
        else:
            parts = by_partition(obj, stored)
        for key, table in parts.items():
            self._store_file(context, key, stored[key], without_path(table, stored[key]), alone=len(parts) == 1)

    def _store_file(self, context: dg.OutputContext, key: str, stored: Stored, table: pa.Table, *, alone: bool) -> None:
        self._check_run()
        with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as file:
            pq.write_table(table, file, compression="zstd")
            size = file.tell()
            try:
                location = self.lake.commit(stored, file)
            except StorageError as error:
                raise failure({key: error}) from None
        metadata: dict[str, Any] = {"dagster/row_count": len(table), "bytes": size, "path": place(location)}
        if alone:
            context.add_output_metadata(metadata)
        else:
            describe_partition(context, key, metadata)

    def load_input(self, context: dg.InputContext) -> Any:
        """The input's partitions, as its annotation asks for them.

        With the metadata `allow_missing_partitions` on the input, those that are there.
        """
        wanted = self._stored(context)
        if (context.definition_metadata or {}).get("allow_missing_partitions"):
            wanted = tuple(each for each in wanted if each not in set(self.lake.missing(wanted)))
        selection = Selection(self.lake, wanted)
        annotation = context.dagster_type.typing_type
        if annotation is Selection:
            return selection
        try:
            return loaded(selection, annotation, TABLES_BY_NAME.get(self._folder(context)))
        except MissingPartitionError as error:
            raise input_failure(self._counted(wanted) or error) from None

    def _counted(self, wanted: Sequence[Stored]) -> MissingPartitionError | None:
        """How many of several partitions are missing, and how to do without them."""
        missing = self.lake.missing(wanted)
        if len(wanted) < 2 or not missing:
            return None
        return MissingPartitionError(
            f"{len(missing):,} of {len(wanted):,} partitions of {wanted[0].asset} have not been captured, the first is "
            f"{self._key(missing[0])}: materialize them first, or read those that are there with "
            'dagster.AssetIn(metadata={"allow_missing_partitions": True})',
            gist=f"{len(missing):,} of {len(wanted):,} partitions of {wanted[0].asset} have not been captured",
        )

    def _stored(self, context: dg.OutputContext | dg.InputContext) -> tuple[Stored, ...]:
        """The files of the asset's partitions. Raises where an own asset would take the place of a captured one."""
        folder = self._folder(context)
        if not context.has_asset_partitions:
            return (OwnFile(folder),)
        try:
            return files_of(folder, context.asset_partitions_def, context.asset_partition_keys)
        except ValueError:
            raise dg.DagsterInvariantViolationError(
                "ParquetIOManager stores partitions by date, by (date, website) as build_partitions has them, or none; "
                f"those of {context.asset_key.to_user_string()} are others"
            ) from None

    def _folder(self, context: dg.OutputContext | dg.InputContext) -> str:
        """The lake's folder of an asset: of ours as its metadata says, of a user's own by its key."""
        described = context if isinstance(context, dg.OutputContext) else context.upstream_output
        metadata = (described.definition_metadata if described else None) or {}
        if folder := metadata.get(FOLDER):
            return str(getattr(folder, "value", folder))
        folder = "__".join(context.asset_key.path)
        if isinstance(context, dg.OutputContext) and folder in TABLES_BY_NAME:
            raise dg.DagsterInvariantViolationError(
                f"the lake's folder {folder} holds what the platform answered: give the asset another name, or a prefix"
            )
        return folder

    @staticmethod
    def _key(stored: Stored) -> str:
        return "|".join(map(str, reversed(stored.in_path.values())))
