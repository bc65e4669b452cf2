"""One derived asset of a website for some days: read, computed and staged as Parquet. No Dagster.

Nothing here decides where the result goes; committing it is the lake's business, as it is of captures.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ignite_assets._version import __version__
from ignite_assets.api.arrow import arrow_schema
from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.api.errors import IgniteError
from ignite_assets.api.horizon import utc_now
from ignite_assets.api.table import Table
from ignite_assets.storage.duck import SQL_TYPES, Workspace, told
from ignite_assets.storage.lake import Lake, Partition, not_captured
from ignite_assets.storage.staging import PREVIEW_ROWS, Stage, Staged, first_rows, stamped
from ignite_assets.tables import facts
from ignite_assets.tables.derived.inputs import FOOTER, Inputs
from ignite_assets.tables.derived.past import Past
from ignite_assets.tables.derived.row import Derived, Input
from ignite_assets.tables.made import MadeOrFailed, MadePartition
from ignite_assets.tables.windows import Window, day_ranges

_ROWS = "derived_rows"
_MEMORY_MIB = 256
"""What DuckDB may use before it spills: with the captures that it reads and Python, a derivation stays below 500 MB."""
_SHARED_BYTES = 4 << 20
"""Of a capture of 120,000 hashes: DuckDB shares out rows among its threads in groups of so many."""
Pasts = Mapping[str, Past]
"""What windows share, by input."""


class DerivationError(IgniteError):
    """The captures could not be read, or there was no room to work in."""

    retryable = True


class Derivations:
    """Computes one derived asset of a website for several days.

    `window_days`: how long the trailing window is; `first_day`: the first that has partitions, and where windows are
    clipped. `tables`: the assets that can be read.
    """

    def __init__(
        self,
        lake: Lake,
        derived: Derived,
        website: str,
        *,
        window_days: int,
        first_day: dt.date,
        tables: Sequence[Table] = ENDPOINTS,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._lake, self._derived, self._website = lake, derived, website
        self._window_days, self._now = window_days, now
        self._inputs = Inputs(lake, derived, website, window_days=window_days, first_day=first_day)
        self._tables = {table.name: table for table in tables}

    def one(self, day: dt.date) -> MadePartition:
        """The partition for one day. Raises `IgniteError`, such as `MissingPartitionError` for its main input."""
        ((_, outcome),) = self.each([day])
        if isinstance(outcome, IgniteError):
            raise outcome
        return outcome

    def each(self, days: Sequence[dt.date]) -> Iterator[MadeOrFailed]:
        """Each day, in order, with its partition, or with its error: one day's failure doesn't end the others."""
        in_one_pass = self._derived.newest_alone and len(days) > 1
        with Workspace(memory_mib=_MEMORY_MIB, threads=1 if in_one_pass and self._is_small() else 2) as workspace:
            shared = self._shared(workspace) if in_one_pass else {}
            for day in sorted(days):
                yield day, self._outcome(workspace, day, shared)

    def _is_small(self) -> bool:
        """Whether no day has more rows than DuckDB hands to one thread: a second one only costs."""
        sizes = (info.size for each in self._derived.reads for info in self._inputs.captured(each).values())
        return max(sizes, default=0) < _SHARED_BYTES

    def _shared(self, workspace: Workspace) -> Pasts:
        """What the days' windows share of each input that is read by windows."""
        of_windows = (each for each in self._derived.inputs if each.days != "nearest")
        return {each.asset: Past(workspace, self._lake, self._website, each, self._types(each)) for each in of_windows}

    def _outcome(self, workspace: Workspace, day: dt.date, shared: Pasts) -> MadePartition | IgniteError:
        import duckdb

        try:
            return self._derive(workspace, day, shared)
        except IgniteError as error:
            return error
        except (OSError, duckdb.Error, pa.ArrowException) as error:
            return DerivationError(f"{self._derived.name} {day}|{self._website}: {told(error)}", gist=told(error))

    def _derive(self, workspace: Workspace, day: dt.date, shared: Pasts) -> MadePartition:
        if day not in self._inputs.captured(self._derived.main):
            raise not_captured(Partition(self._derived.main, self._website, day))
        window, values = self._inputs.window(day), self._values(day)
        for each in self._derived.inputs:
            self._name_rows(workspace, each, day, shared)
        workspace.table(_ROWS, self._derived.sql, values)
        moment = self._now().astimezone(dt.UTC)
        staged, preview = self._stage(workspace, window, moment)
        return MadePartition(
            table=self._derived,
            website=self._website,
            date=day,
            made_at=moment,
            staged=staged,
            facts={
                "window": f"{window.first} to {window.last}",
                "coverage": window.coverage,
                "missing_days": day_ranges(window.missing),
                **self._numbers(workspace),
            },
            preview=preview,
        )

    def _values(self, day: dt.date) -> dict[str, object]:
        window, before = self._inputs.window(day), self._inputs.window_before(day)
        return {
            "day": day,
            "first": window.first,
            "opens": dt.datetime.combine(window.first, dt.time(), dt.UTC),
            "closes": dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC),
            "coverage": window.coverage,
            "coverage_before": before.coverage if before else 0.0,
        }

    def _name_rows(self, workspace: Workspace, of: Input, day: dt.date, shared: Pasts) -> None:
        days = self._inputs.days(of, day)
        if of.asset in shared:
            shared[of.asset].move_to(day, days)
            return
        captured = self._inputs.captured(of.asset)
        files = {Partition(of.asset, self._website, each): captured[each] for each in days}
        # Of several days the later ones list their inputs anew, since the first listing may be hours old.
        workspace.view_partitions(of.asset, self._lake, list(files) if shared else files, self._types(of))

    def _types(self, of: Input) -> Mapping[str, str]:
        return {name: SQL_TYPES[self._tables[of.asset].column(name).type] for name in of.columns}

    def _stage(self, workspace: Workspace, window: Window, moment: dt.datetime) -> tuple[Staged, list[dict[str, Any]]]:
        """The rows in the asset's schema, and the first of them."""
        schema = arrow_schema(self._derived)
        rows_schema = schema.remove(len(schema) - 1)
        repeats = [column.name for column in self._derived.all_columns if column.repeats]
        stage = Stage(schema, dictionaries=repeats, unhashed=frozenset({self._derived.stamp.name}))
        preview: list[dict[str, Any]] = []
        gathering = facts.Gathering(self._derived)
        for rows in workspace.stream(_ROWS):
            batch = stamped(rows.cast(rows_schema), schema, moment)
            if len(preview) < PREVIEW_ROWS:
                preview += first_rows(batch, PREVIEW_ROWS - len(preview))
            gathering.take(batch)
            stage.write(batch)
        return stage.finish({**self._facts(window, moment), facts.FOOTER: gathering.entry(None)}), preview

    def _facts(self, window: Window, moment: dt.datetime) -> dict[str, str]:
        return {
            "version": __version__,
            "asset": self._derived.name,
            "website": self._website,
            "date": window.last.isoformat(),
            "derived_at": moment.isoformat(),
            "window_days": str(self._window_days),
            "window_first": window.first.isoformat(),
            "window_missing": json.dumps([day.isoformat() for day in window.missing]),
            "coverage": repr(window.coverage),
            FOOTER: json.dumps(self._inputs.hashes(window.last), separators=(",", ":")),
        }

    def _numbers(self, workspace: Workspace) -> dict[str, int | float]:
        found = workspace.one(f"SELECT {self._derived.numbers} FROM {_ROWS}")  # noqa: S608 - the row's own
        # Without those that are null.
        return {name: number for name, number in found.items() if number is not None}
