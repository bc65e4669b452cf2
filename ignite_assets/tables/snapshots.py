"""What an endpoint answered for a date: a snapshot, and the draft of one while its answers come in. No network."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ignite_assets._version import __version__
from ignite_assets.api import arrow
from ignite_assets.api.endpoints import CAPTURED_AT, Endpoint
from ignite_assets.api.errors import IgniteError, NotFoundError, RequestError
from ignite_assets.api.keysets import KeySet
from ignite_assets.api.patience import Tally
from ignite_assets.api.protocol import Call
from ignite_assets.api.table import Algo
from ignite_assets.storage.staging import PREVIEW_ROWS, Stage, Staged, first_rows, stamped
from ignite_assets.tables.progress import begin

if TYPE_CHECKING:  # importing the client takes 0.07 s, which only a capture needs
    from ignite_assets.api.client import IgniteClient


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

    @property
    def asset(self) -> str:
        """The asset that it is a partition of."""
        return self.endpoint.name


Outcome = tuple[dt.date, Snapshot | IgniteError]
"""A date with its snapshot, or with what went wrong."""


@dataclass(frozen=True, repr=False)
class Answer:
    """One entity's rows: fitted, or batches already."""

    fitted: list[bytes]
    batches: list[pa.RecordBatch]
    rows: int
    coercions: Counter[str]


@dataclass(frozen=True, repr=False)
class Answers:
    """What came of some entities' calls."""

    batch: pa.RecordBatch | None
    owners: npt.NDArray[np.int64]
    """The entity of each row."""
    coercions: Mapping[int, Counter[str]]
    failures: Mapping[int, RequestError]

    def of(self, entities: Collection[int]) -> "Answers":
        """Those of some entities alone."""
        mine = np.fromiter((owner in entities for owner in self.owners.tolist()), dtype=np.bool_)
        batch = self.batch
        if batch is not None and not mine.all():
            batch = batch.filter(arrow.booleans(mine)) if mine.any() else None
        return Answers(
            batch=batch,
            owners=self.owners[mine],
            coercions={entity: counts for entity, counts in self.coercions.items() if entity in entities},
            failures={entity: error for entity, error in self.failures.items() if entity in entities},
        )


class Draft:
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
        self._schema = arrow.arrow_schema(endpoint)
        self._start()

    def _start(self) -> None:
        repeats = [column.name for column in self._endpoint.all_columns if column.repeats]
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
            progress = begin("rows", None)
            for batch in arrow.batches(self._endpoint, pieces, {"algo": self._algo}, self._coercions):
                self._write(batch)
                progress.add(len(batch))

        client.read(call, read, self.tally)

    def add(self, some: "Answers") -> None:
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
        batch = stamped(batch, self._schema, self._captured_at)
        if len(self._preview) < PREVIEW_ROWS:
            self._preview += first_rows(batch, PREVIEW_ROWS - len(self._preview))
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
            "vanished": str(self._vanished),
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
