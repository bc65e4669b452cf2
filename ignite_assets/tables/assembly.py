"""A captured partition while its answers come in: entities' answers, and the file that they are assembled to."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ignite_assets._version import __version__
from ignite_assets.api import arrow
from ignite_assets.api.endpoints import CAPTURED_AT, Endpoint
from ignite_assets.api.errors import NotFoundError, RequestError, ResponseShapeError, ShapeError
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.keysets import KeySet
from ignite_assets.api.misfits import Misfit, Misfits
from ignite_assets.api.patience import Tally
from ignite_assets.api.protocol import Call
from ignite_assets.api.table import Algo
from ignite_assets.storage.staging import PREVIEW_ROWS, Stage, first_rows, stamped
from ignite_assets.tables.made import MadePartition
from ignite_assets.tables.progress import begin

if TYPE_CHECKING:  # importing the client takes 0.07 s, which only a capture needs
    from ignite_assets.api.client import IgniteClient


@dataclass(frozen=True, repr=False)
class EntityAnswer:
    """One entity's rows: fitted, or batches already."""

    fitted: list[bytes]
    batches: list[pa.RecordBatch]
    rows: int
    coercions: Counter[str]
    misfits: Misfits


@dataclass(frozen=True, repr=False)
class EntityAnswers:
    """The rows and failures of some entities' calls."""

    batch: pa.RecordBatch | None
    owners: npt.NDArray[np.int64]
    """The entity of each row."""
    coercions: Mapping[int, Counter[str]]
    failures: Mapping[int, RequestError]
    misfits: Sequence[Misfit]

    def of(self, entities: Collection[int]) -> "EntityAnswers":
        """Those of some entities alone."""
        mine = np.fromiter((owner in entities for owner in self.owners.tolist()), dtype=np.bool_)
        batch = self.batch
        if batch is not None and not mine.all():
            batch = batch.filter(arrow.booleans(mine)) if mine.any() else None
        return EntityAnswers(
            batch=batch,
            owners=self.owners[mine],
            coercions={entity: counts for entity, counts in self.coercions.items() if entity in entities},
            failures={entity: error for entity, error in self.failures.items() if entity in entities},
            misfits=[misfit for misfit in self.misfits if misfit.entity in entities],
        )


class Assembly:
    """A partition's file, assembled from the answers to one or more calls. Stamped with when the first was there."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        website: str,
        algo: Algo,
        day: dt.date,
        horizon: Horizon,
        tally: Tally,
        compared: bool,
    ) -> None:
        self.tally = tally
        self._compared = compared
        self._endpoint, self._website, self._algo = endpoint, website, algo
        self._day, self._horizon = day, horizon
        self._schema = arrow.arrow_schema(endpoint)
        self._start()

    def _start(self) -> None:
        repeats = [column.name for column in self._endpoint.all_columns if column.repeats]
        self._stage = Stage(self._schema, dictionaries=repeats, unhashed=frozenset({CAPTURED_AT.name}))
        self._captured_at = self._answered_at = self._now()
        self._coercions: Counter[str] = Counter()
        self._misfits = Misfits()
        self._answered = False
        self._rows = 0
        self._keys: list[KeySet] = []
        self._vanished = 0
        self._preview: list[dict[str, Any]] = []

    def _now(self) -> dt.datetime:
        return self._horizon.now().astimezone(dt.UTC)

    def take_whole_answer(self, client: "IgniteClient") -> None:
        """Stage the answer of the endpoint's one call, while it arrives; a further try starts anew."""
        call = Call(endpoint=self._endpoint, look_back=self._day if self._endpoint.dated else None)

        def read(pieces: Iterator[bytes]) -> None:
            self._stage.discard()
            self._start()
            progress = begin("rows", None)
            constants = {"algo": self._algo}
            for batch in arrow.batches(self._endpoint, pieces, constants, self._coercions, self._misfits):
                self._write(batch)
                progress.add(len(batch))
            self._answered_at = self._now()
            self._misfits.judge(self._rows)

        client.read(call, read, self.tally)

    def add(self, some: "EntityAnswers") -> None:
        """Stage some entities' answers. Raises the first failure; entities that are not found are only counted."""
        for failure in some.failures.values():
            if not isinstance(failure, NotFoundError):
                raise failure
        self._answered_at = self._now()
        if not self._answered:
            self._captured_at, self._answered = self._answered_at, True
        self._vanished += len(some.failures)
        for counts in some.coercions.values():
            self._coercions.update(counts)
        self._misfits.add(*some.misfits)
        if some.batch is not None:
            self._write(some.batch)

    def _write(self, batch: pa.RecordBatch) -> None:
        batch = stamped(batch, self._schema, self._captured_at)
        if len(self._preview) < PREVIEW_ROWS:
            self._preview += first_rows(batch, PREVIEW_ROWS - len(self._preview))
        if self._compared:
            self._keys.append(KeySet.of(batch.select(self._endpoint.keys)))
        self._rows += len(batch)
        self._stage.write(batch)

    def finish(self) -> MadePartition:
        """The partition, its file closed and its footer written.

        Raises `ShapeError` for too many misfits, `LateAnswerError` for an answer that came too late.
        """
        self._horizon.check_answer(self._endpoint, self._day, self._answered_at)
        self._judge()
        about = {
            "asset": self._endpoint.name,
            "website": self._website,
            "date": self._day.isoformat(),
            "captured_at": self._captured_at.isoformat(),
        }
        footer = {
            "version": __version__,
            "endpoint": self._endpoint.name,
            "website": self._website,
            "look_back_date": self._day.isoformat(),
            "captured_at": self._captured_at.isoformat(),
            "coercions": json.dumps(self._coercions),
            "vanished": str(self._vanished),
            "misfits": str(len(self._misfits)),
            "misfit_places": json.dumps(self._misfits.places),
        }
        if self._endpoint.hashed:
            footer["algo"] = self._algo
        return MadePartition(
            table=self._endpoint,
            website=self._website,
            date=self._day,
            made_at=self._captured_at,
            staged=self._stage.finish(footer),
            facts=self._facts(),
            misfits=self._misfits.document(**about),
            preview=self._preview,
            keys=KeySet.union(self._keys) if self._compared else None,
        )

    def _facts(self) -> dict[str, Any]:
        return {
            "look_back_date": self._day.isoformat(),
            "requests": self.tally.requests,
            "retries": self.tally.retries,
            "coercions": self._coercions.total(),
            "coercions_by_column": dict(self._coercions),
            "vanished": self._vanished,
            "misfits": len(self._misfits),
        }

    def _judge(self) -> None:
        try:
            self._misfits.judge(self._rows)
        except ResponseShapeError as error:
            reason = str(error)
        else:
            return
        raise ShapeError(website=self._website, endpoint=self._endpoint.name, reason=reason, status=200)

    def discard(self) -> None:
        """Give the partition up."""
        self._stage.discard()
