"""One endpoint's snapshot of a website for a look-back date: asked for, read, and staged as Parquet. No Dagster.

Nothing here decides where a snapshot goes; committing it is the lake's business.
"""

import datetime as dt
import functools
import itertools
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ignite_assets import __version__
from ignite_assets.api import tables
from ignite_assets.api.endpoints import CAPTURED_AT, ENDPOINTS, Algo, Endpoint, by_name
from ignite_assets.api.errors import IgniteError, NotFoundError, RequestError, WindowError
from ignite_assets.api.fanout import in_order
from ignite_assets.api.keysets import KeySet
from ignite_assets.api.patience import Tally
from ignite_assets.api.protocol import Call
from ignite_assets.staging import Stage, Staged

if TYPE_CHECKING:  # importing the client takes 0.07 s, which only a capture needs
    from ignite_assets.api.client import IgniteClient, Reader

PREVIEW_ROWS = 5
_WINDOWS_AT_ONCE = 8
_GATHERED_ROWS = 1 << 13
_GATHERED_ANSWERS = 128
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What an endpoint answered for a look-back date, as a finished Parquet file, and how it was got."""

    endpoint: Endpoint
    website: str
    date: dt.date
    captured_at: dt.datetime
    staged: Staged
    requests: int
    retries: int
    coercions: Mapping[str, int] = field(default_factory=dict)
    """By column, the values that did not fit it and stand in `extra` instead."""
    vanished: int = 0
    """Entities that were listed and then not found."""
    preview: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    """The first rows. Holds personal data: mask it before it is shown."""
    keys: KeySet | None = field(default=None, repr=False)
    """The rows' keys, where windows can be compared by them."""


Outcome = tuple[dt.date, Snapshot | IgniteError]
"""A date with its snapshot, or with what went wrong."""


class Capture:
    """Captures one endpoint of one website for several dates, newest first.

    `ids` gives, by date, the ids of an endpoint whose ids come from a partition. Dates that share an id share its one
    request. `nesting_share` is the share of a window that an older one may lack, for people who opted out meanwhile.
    """

    def __init__(
        self,
        client: "IgniteClient",
        endpoint: Endpoint,
        *,
        ids: Mapping[dt.date, Sequence[int]] | None = None,
        endpoints: tuple[Endpoint, ...] = ENDPOINTS,
        nesting_share: float = 0.01,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._ids = ids or {}
        self._endpoints = by_name(endpoints)
        self._nesting_share = nesting_share

    def one(self, day: dt.date) -> Snapshot:
        """The snapshot for one date. Raises `IgniteError`; refuses a date before any request is made."""
        ((_, outcome),) = self.each([day])
        if isinstance(outcome, IgniteError):
            raise outcome
        return outcome

    def each(self, days: Sequence[dt.date]) -> Iterator[Outcome]:
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

    def _side_by_side(self, days: Sequence[dt.date]) -> Iterator[Outcome]:
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
        with ThreadPoolExecutor(at_once, thread_name_prefix="window") as threads:
            tallies = itertools.chain([tally], itertools.repeat(None))  # the listing is counted for the newest
            windows = (
                (day, functools.partial(self._of_day, day, listed, each, compared=True))
                for day, each in zip(days, tallies, strict=False)
            )
            yield from in_order(threads, windows, ahead=at_once, discard=_discard)

    def _nested(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        """The outcomes, newest first; from the first window that lacks people of a newer one on, failures."""
        newer: Snapshot | None = None
        broken: WindowError | None = None
        for day, outcome in outcomes:
            if not isinstance(outcome, Snapshot) or outcome.keys is None:
                yield day, outcome
                continue
            broken = broken or (self._not_nested(newer, outcome) if newer else None)
            newer = outcome
            if broken:
                outcome.staged.file.close()
            yield day, broken or outcome

    def _not_nested(self, newer: Snapshot, older: Snapshot) -> WindowError | None:
        if newer.keys is None or older.keys is None or newer.keys.nearly_within(older.keys, self._nesting_share):
            return None
        missing = newer.keys.missing_from(older.keys)
        return WindowError(
            f"the platform answered for another window: {missing:,} of the {len(newer.keys):,} of {newer.date} are not "
            f"in that of {older.date} (at most {self._nesting_share:.1%} may be missing)"
        )

    def _of_day(
        self, day: dt.date, listed: Sequence[int], tally: Tally | None = None, *, compared: bool = False
    ) -> Snapshot | IgniteError:
        draft = self._draft(day, tally, compared=compared)
        try:
            if self._endpoint.ids is None:
                draft.take_whole_answer(self._client)
            else:
                for some in self._answers(listed, draft.tally, day):
                    draft.add(some)
            return draft.finish()
        except IgniteError as error:
            draft.discard()
            return error

    def _by_shared_ids(self, days: Sequence[dt.date]) -> Iterator[Outcome]:
        """One fan-out over the union of the dates' ids; each answer goes to every date that lists its id."""
        tally = Tally()
        # What all dates share is counted once, for the newest.
        drafts = {day: self._draft(day, tally if day == days[0] else None) for day in days}
        wanted = {day: frozenset(self._ids.get(day, ())) for day in days}
        union = sorted(frozenset().union(*wanted.values()))
        failed: dict[dt.date, IgniteError] = {}
        for some in self._answers(union, tally, None):
            for day in days:
                if day in failed:
                    continue
                try:
                    drafts[day].add(some.of(wanted[day]))
                except IgniteError as error:
                    drafts[day].discard()
                    failed[day] = error
            if len(failed) == len(days):
                break
        for day in days:
            yield day, failed[day] if day in failed else drafts[day].finish()

    def _answers(self, ids: Sequence[int], tally: Tally, day: dt.date | None) -> Iterator["_Answers"]:
        """The entities' answers, some at a time: Arrow costs as much for one row as for a hundred."""
        calls = (Call(endpoint=self._endpoint, look_back=day, entity=entity) for entity in sorted(set(ids)))
        some: list[tuple[int, _Answer | RequestError]] = []
        rows = 0
        for call, outcome in self._client.read_each(calls, self._reader_for, tally):
            some.append((call.entity or 0, outcome))
            rows += 0 if isinstance(outcome, RequestError) else outcome.rows
            if rows >= _GATHERED_ROWS or len(some) >= _GATHERED_ANSWERS:
                yield self._gathered(some)
                some, rows = [], 0
        if some:
            yield self._gathered(some)

    def _gathered(self, some: list[tuple[int, "_Answer | RequestError"]]) -> "_Answers":
        good = [(entity, answer) for entity, answer in some if not isinstance(answer, RequestError)]
        fitted = [row for _, answer in good for row in answer.fitted]
        batches = [batch for _, answer in good for batch in answer.batches]
        if fitted:
            batches.append(tables.batch(self._endpoint, fitted, {"algo": self._client.algo}))
        owners = np.repeat([entity for entity, _ in good], [answer.rows for _, answer in good])
        return _Answers(
            batch=pa.concat_batches(batches) if batches else None,
            owners=owners,
            coercions={entity: answer.coercions for entity, answer in good if answer.coercions},
            failures={entity: answer for entity, answer in some if isinstance(answer, RequestError)},
        )

    def _reader_for(self, call: Call) -> "Reader[_Answer]":
        constants: dict[str, str | int] = {"algo": self._client.algo}
        if self._endpoint.ids and call.entity is not None and self._endpoint.answer == "hashes":
            constants[self._endpoint.ids.column] = call.entity

        def read(pieces: Iterator[bytes]) -> _Answer:
            counts: Counter[str] = Counter()
            if callable(self._endpoint.answer):
                fitted = tables.fitted(self._endpoint, pieces, constants, counts)
                return _Answer(fitted, [], len(fitted), counts)
            batches = list(tables.batches(self._endpoint, pieces, constants, counts))
            return _Answer([], batches, sum(map(len, batches)), counts)

        return read

    def _listed_ids(self, tally: Tally) -> list[int]:
        """The ids that the listing endpoint answers now; none where there is no such endpoint."""
        if self._endpoint.ids is None:
            return []
        parent = self._endpoints[self._endpoint.ids.endpoint]

        def read(pieces: Iterator[bytes]) -> list[int]:
            found = tables.batches(parent, pieces, {}, Counter())
            return [entity for batch in found for entity in batch.column("id").to_pylist()]

        return self._client.read(Call(endpoint=parent), read, tally)

    def _draft(self, day: dt.date, tally: Tally | None = None, *, compared: bool = False) -> "_Draft":
        return _Draft(
            endpoint=self._endpoint,
            website=self._client.website,
            algo=self._client.algo,
            day=day,
            captured_at=self._client.horizon.now().astimezone(dt.UTC),
            tally=tally or Tally(),
            compared=compared and self._endpoint.dated and bool(self._endpoint.keys),
        )


def _discard(outcome: Snapshot | IgniteError) -> None:
    if isinstance(outcome, Snapshot):
        outcome.staged.file.close()


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows as dictionaries, times as text: Arrow would import pandas to make Python's own of them."""
    shown = {
        name: column.cast(pa.string()) if pa.types.is_timestamp(column.type) else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    return [{name: column[row].as_py() for name, column in shown.items()} for row in range(len(batch))]


@dataclass(frozen=True, repr=False)
class _Answer:
    """One entity's rows: fitted, or batches already."""

    fitted: list[bytes]
    batches: list[pa.RecordBatch]
    rows: int
    coercions: Counter[str]


@dataclass(frozen=True, repr=False)
class _Answers:
    """What came of some entities' calls."""

    batch: pa.RecordBatch | None
    owners: npt.NDArray[np.int64]
    """The entity of each row."""
    coercions: Mapping[int, Counter[str]]
    failures: Mapping[int, RequestError]

    def of(self, entities: Collection[int]) -> "_Answers":
        """Those of some entities alone."""
        mine = np.fromiter((owner in entities for owner in self.owners.tolist()), dtype=np.bool_)
        batch = self.batch
        if batch is not None and not mine.all():
            batch = batch.filter(tables.booleans(mine)) if mine.any() else None
        return _Answers(
            batch=batch,
            owners=self.owners[mine],
            coercions={entity: counts for entity, counts in self.coercions.items() if entity in entities},
            failures={entity: error for entity, error in self.failures.items() if entity in entities},
        )


class _Draft:
    """A snapshot in the making."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        website: str,
        algo: Algo,
        day: dt.date,
        captured_at: dt.datetime,
        tally: Tally,
        compared: bool,
    ) -> None:
        self.tally = tally
        self._compared = compared
        self._endpoint, self._website, self._algo = endpoint, website, algo
        self._day, self._captured_at = day, captured_at
        self._schema = tables.arrow_schema(endpoint)
        self._start()

    def _start(self) -> None:
        repeats = [column.name for column in (*self._endpoint.columns, CAPTURED_AT) if column.repeats]
        self._stage = Stage(self._schema, dictionaries=repeats, unhashed=frozenset({CAPTURED_AT.name}))
        self._coercions: Counter[str] = Counter()
        self._keys: list[KeySet] = []
        self._vanished = 0
        self._preview: list[dict[str, Any]] = []

    def take_whole_answer(self, client: "IgniteClient") -> None:
        """Stage the answer of the endpoint's one call, while it arrives; a further try starts anew."""
        call = Call(endpoint=self._endpoint, look_back=self._day if self._endpoint.dated else None)

        def read(pieces: Iterator[bytes]) -> None:
            self._stage.discard()
            self._start()
            for batch in tables.batches(self._endpoint, pieces, {"algo": self._algo}, self._coercions):
                self._write(batch)

        client.read(call, read, self.tally)

    def add(self, some: "_Answers") -> None:
        """Stage some entities' answers. Raises the first failure; entities that are not found are only counted."""
        for failure in some.failures.values():
            if not isinstance(failure, NotFoundError):
                raise failure
        self._vanished += len(some.failures)
        for counts in some.coercions.values():
            self._coercions.update(counts)
        if some.batch is not None:
            self._write(some.batch)

    def _write(self, batch: pa.RecordBatch) -> None:
        microseconds = (self._captured_at - _EPOCH) // dt.timedelta(microseconds=1)
        times = tables.constant(pa.int64(), microseconds, len(batch)).view(self._schema.field(CAPTURED_AT.name).type)
        batch = pa.RecordBatch.from_arrays([*batch.columns, times], schema=self._schema)
        if len(self._preview) < PREVIEW_ROWS:
            self._preview += _rows(batch.slice(0, PREVIEW_ROWS - len(self._preview)))
        if self._compared:
            self._keys.append(KeySet.of(batch.select(self._endpoint.keys)))
        self._stage.write(batch)

    def finish(self) -> Snapshot:
        """The snapshot, its file closed and its footer written."""
        facts = {
            "version": __version__,
            "endpoint": self._endpoint.name,
            "website": self._website,
            "look_back_date": self._day.isoformat(),
            "captured_at": self._captured_at.isoformat(),
            "coercions": json.dumps(self._coercions),
        }
        if self._endpoint.hashed:
            facts["algo"] = self._algo
        return Snapshot(
            endpoint=self._endpoint,
            website=self._website,
            date=self._day,
            captured_at=self._captured_at,
            staged=self._stage.finish(facts),
            requests=self.tally.requests,
            retries=self.tally.retries,
            coercions=dict(self._coercions),
            vanished=self._vanished,
            preview=self._preview,
            keys=KeySet.union(self._keys) if self._compared else None,
        )

    def discard(self) -> None:
        """Give the snapshot up."""
        self._stage.discard()
