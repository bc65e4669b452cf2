"""One endpoint's snapshot of a website for a look-back date: asked for, read, and staged as Parquet. No Dagster.

Nothing here decides where a snapshot goes; committing it is the lake's business.
"""

import contextlib
import datetime as dt
import functools
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ignite_assets.api import arrow
from ignite_assets.api.endpoints import ENDPOINTS, Endpoint, by_name
from ignite_assets.api.errors import IgniteError, NotFoundError, RequestError, WindowError
from ignite_assets.api.fanout import in_order
from ignite_assets.api.misfits import Misfits
from ignite_assets.api.patience import Tally
from ignite_assets.api.protocol import Call

if TYPE_CHECKING:  # importing the client takes 0.07 s, which only a capture needs
    from ignite_assets.api.client import IgniteClient, Reader

from ignite_assets.tables.assembly import Assembly, EntityAnswer, EntityAnswers
from ignite_assets.tables.made import MadeOrFailed, MadePartition
from ignite_assets.tables.progress import begin
from ignite_assets.tables.thresholds import Thresholds

_WINDOWS_AT_ONCE = 8
_GATHERED_ROWS = 1 << 13
_GATHERED_ANSWERS = 512
_GATHERED_BYTES = 1 << 21
"""Of answers that are gathered: fewer and larger batches cost less, and hold more memory."""


class Capture:
    """Captures one endpoint of one website for several dates, newest first.

    `ids` gives, by date, the ids of an endpoint whose ids come from a partition. Dates that share an id share its one
    request. `thresholds` says which share of a window an older one may lack, for people who opted out meanwhile.
    Progress is counted of the entities of one date or of all dates together, the dates of several windows, or the rows
    of a single answer.
    """

    def __init__(
        self,
        client: "IgniteClient",
        endpoint: Endpoint,
        *,
        ids: Mapping[dt.date, Sequence[int]] | None = None,
        endpoints: tuple[Endpoint, ...] = ENDPOINTS,
        thresholds: Thresholds | None = None,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._ids = ids or {}
        self._endpoints = by_name(endpoints)
        self._nesting_share = (thresholds or Thresholds()).nesting_share

    def one(self, day: dt.date) -> MadePartition:
        """The snapshot for one date. Raises `IgniteError`; refuses a date before any request is made."""
        ((_, outcome),) = self.each([day])
        if isinstance(outcome, IgniteError):
            raise outcome
        return outcome

    def each(self, days: Sequence[dt.date]) -> Iterator[MadeOrFailed]:
        """Each date with its snapshot, or with what went wrong: one date's failure doesn't end the others.

        Windows are asked for newest first, so that who arrives in between can't break their nesting.
        """
        allowed = []
        for day in sorted(days, reverse=True):
            try:
                self._client.horizon.check(self._endpoint, day)
                allowed.append(day)
            except IgniteError as refusal:
                yield day, refusal
        if self._endpoint.ids and self._endpoint.ids.from_partition:
            yield from self._by_shared_ids(allowed)
        else:
            yield from self._nested(self._side_by_side(allowed))

    def _side_by_side(self, days: Sequence[dt.date]) -> Iterator[MadeOrFailed]:
        """The dates' own windows, some at a time, in the order given."""
        tally = Tally()
        try:
            listed = self._listed_ids(tally) if days else []
        except IgniteError as error:
            yield from ((day, error) for day in days)
            return
        if len(days) == 1:
            yield days[0], self._of_day(days[0], listed, tally)
            return
        at_once = min(_WINDOWS_AT_ONCE, self._client.limits.max_concurrency)
        # The windows' threads have no progress display: days are counted here, not each window's rows.
        with self._stopping(ThreadPoolExecutor(at_once, thread_name_prefix="window")) as threads:
            tallies = itertools.chain([tally], itertools.repeat(None))  # the listing is counted for the newest
            windows = (
                (day, functools.partial(self._of_day, day, listed, each, compared=True))
                for day, each in zip(days, tallies, strict=False)
            )
            progress = begin("days", len(days))
            for day, outcome in in_order(threads, windows, ahead=at_once, discard=_discard):
                progress.add(failed=not isinstance(outcome, MadePartition))
                yield day, outcome

    @contextlib.contextmanager
    def _stopping(self, threads: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
        """Wait for the threads at the end; when something else ends the block, no longer than their calls take."""
        try:
            yield threads
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            self._client.stop()
            raise
        threads.shutdown()

    def _nested(self, outcomes: Iterator[MadeOrFailed]) -> Iterator[MadeOrFailed]:
        """The outcomes, newest first; from the first window that lacks people of a newer one on, failures."""
        newer: MadePartition | None = None
        broken: WindowError | None = None
        for day, outcome in outcomes:
            if not isinstance(outcome, MadePartition) or outcome.keys is None:
                yield day, outcome
                continue
            broken = broken or (self._not_nested(newer, outcome) if newer else None)
            newer = outcome
            if broken:
                outcome.staged.file.close()
            yield day, broken or outcome

    def _not_nested(self, newer: MadePartition, older: MadePartition) -> WindowError | None:
        if newer.keys is None or older.keys is None or newer.keys.nearly_within(older.keys, self._nesting_share):
            return None
        missing = newer.keys.missing_from(older.keys)
        return WindowError(
            f"the platform answered for another window: {missing:,} of the {len(newer.keys):,} of {newer.date} are not "
            f"in that of {older.date} (at most {self._nesting_share:.1%} may be missing)",
            gist="the platform answered for another window",
        )

    def _of_day(
        self,
        day: dt.date,
        listed: Sequence[int],
        tally: Tally | None = None,
        *,
        compared: bool = False,
    ) -> MadePartition | IgniteError:
        entities = len(set(listed)) if self._endpoint.ids else None
        assembly = self._assembly(day, tally, compared=compared, listed=entities)
        try:
            if self._endpoint.ids is None:
                assembly.take_whole_answer(self._client)
            else:
                for some in self._answers(listed, assembly.tally, day):
                    assembly.add(some)
        except IgniteError as error:
            assembly.discard()
            return error
        return _finished(assembly)

    def _by_shared_ids(self, days: Sequence[dt.date]) -> Iterator[MadeOrFailed]:
        """One fan-out over the union of the dates' ids; each answer goes to every date that lists its id."""
        tally = Tally()
        # What all dates share is counted once, for the newest.
        wanted = {day: frozenset(self._ids.get(day, ())) for day in days}
        assemblies = {
            day: self._assembly(day, tally if day == days[0] else None, listed=len(wanted[day])) for day in days
        }
        union = sorted(frozenset().union(*wanted.values()))
        failed: dict[dt.date, IgniteError] = {}
        for some in self._answers(union, tally, None):
            for day in days:
                if day in failed:
                    continue
                try:
                    assemblies[day].add(some.of(wanted[day]))
                except IgniteError as error:
                    assemblies[day].discard()
                    failed[day] = error
            if len(failed) == len(days):
                break
        for day in days:
            yield day, failed[day] if day in failed else _finished(assemblies[day])

    def _answers(self, ids: Sequence[int], tally: Tally, day: dt.date | None) -> Iterator["EntityAnswers"]:
        """The entities' answers, some at a time: Arrow costs as much for one row as for a hundred."""
        entities = sorted(set(ids))
        calls = (Call(endpoint=self._endpoint, look_back=day, entity=entity) for entity in entities)
        progress = begin(self._listing.replace("_", " "), len(entities))
        some: list[tuple[int, EntityAnswer | RequestError]] = []
        rows = size = 0
        for call, outcome in self._client.read_each(calls, self._reader_for, tally):
            vanished = isinstance(outcome, NotFoundError)
            progress.add(failed=isinstance(outcome, RequestError) and not vanished)
            some.append((call.entity or 0, outcome))
            if not isinstance(outcome, RequestError):
                rows, size = rows + outcome.rows, size + sum(map(len, outcome.fitted))
            if rows >= _GATHERED_ROWS or size >= _GATHERED_BYTES or len(some) >= _GATHERED_ANSWERS:
                yield self._gathered(some)
                some, rows, size = [], 0, 0
        if some:
            yield self._gathered(some)

    @property
    def _listing(self) -> str:
        """The asset that lists the entities."""
        return self._endpoint.ids.endpoint if self._endpoint.ids else self._endpoint.name

    def _gathered(self, some: list[tuple[int, "EntityAnswer | RequestError"]]) -> "EntityAnswers":
        good = [(entity, answer) for entity, answer in some if not isinstance(answer, RequestError)]
        fitted = [row for _, answer in good for row in answer.fitted]
        batches = [batch for _, answer in good for batch in answer.batches]
        if fitted:
            batches.append(arrow.batch(self._endpoint, fitted, {"algo": self._client.algo}))
        owners = np.repeat([entity for entity, _ in good], [answer.rows for _, answer in good])
        return EntityAnswers(
            batch=pa.concat_batches(batches) if batches else None,
            owners=owners,
            coercions={entity: answer.coercions for entity, answer in good if answer.coercions},
            failures={entity: answer for entity, answer in some if isinstance(answer, RequestError)},
            misfits=[replace(misfit, entity=entity) for entity, answer in good for misfit in answer.misfits],
        )

    def _reader_for(self, call: Call) -> "Reader[EntityAnswer]":
        constants: dict[str, str | int] = {"algo": self._client.algo}
        if self._endpoint.ids and call.entity is not None and self._endpoint.answer == "hashes":
            constants[self._endpoint.ids.column] = call.entity

        def read(pieces: Iterator[bytes]) -> EntityAnswer:
            counts: Counter[str] = Counter()
            misfits = Misfits()
            if callable(self._endpoint.answer):
                fitted = arrow.fitted(self._endpoint, pieces, constants, counts, misfits, entity=call.entity)
                return EntityAnswer(fitted, [], len(fitted), counts, misfits)
            batches = list(arrow.batches(self._endpoint, pieces, constants, counts, misfits))
            return EntityAnswer([], batches, sum(map(len, batches)), counts, misfits)

        return read

    def _listed_ids(self, tally: Tally) -> list[int]:
        """The ids that the listing endpoint answers now; none where there is no such endpoint."""
        if self._endpoint.ids is None:
            return []
        parent = self._endpoints[self._endpoint.ids.endpoint]

        def read(pieces: Iterator[bytes]) -> list[int]:
            misfits = Misfits()
            found = arrow.batches(parent, pieces, {}, Counter(), misfits)
            ids = [entity for batch in found for entity in batch.column("id").to_pylist()]
            misfits.judge(len(ids))
            return ids

        return self._client.read(Call(endpoint=parent), read, tally)

    def _assembly(
        self, day: dt.date, tally: Tally | None = None, *, compared: bool = False, listed: int | None = None
    ) -> "Assembly":
        return Assembly(
            endpoint=self._endpoint,
            website=self._client.website,
            algo=self._client.algo,
            day=day,
            horizon=self._client.horizon,
            tally=tally or Tally(),
            compared=compared and self._endpoint.dated and bool(self._endpoint.keys),
            listed=listed,
        )


def _finished(assembly: Assembly) -> MadePartition | IgniteError:
    try:
        return assembly.finish()
    except IgniteError as error:
        assembly.discard()
        return error


def _discard(outcome: MadePartition | IgniteError) -> None:
    if isinstance(outcome, MadePartition):
        outcome.staged.file.close()
