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
from ignite_assets.api.errors import NotFoundError, RequestError, ResponseShapeError, ShapeError, VanishedError
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.misfits import Misfit, Misfits
from ignite_assets.api.patience import Tally
from ignite_assets.api.protocol import Call
from ignite_assets.api.table import Algo
from ignite_assets.storage.staging import PREVIEW_ROWS, Stage, first_rows, stamped
from ignite_assets.tables import facts
from ignite_assets.tables.made import MadePartition
from ignite_assets.tables.progress import begin

if TYPE_CHECKING:  # importing the client takes 0.07 s, which only a capture needs
    from ignite_assets.api.client import IgniteClient


_VANISHED = 3
_VANISHED_SHARE = 0.05
"""So many listed entities, and this share of them, may be gone when they are asked for."""
_FEW_ROWS = 3
"""In so few rows any column may be empty."""


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
        listed: int | None = None,
    ) -> None:
        """`listed`: the entities that are asked for; `compared`: whether the keys are wanted afterwards."""
        self.tally = tally
        self._compared, self._listed = compared, listed
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
        self._gathering = facts.Gathering(self._endpoint, self._algo if self._endpoint.hashed else None)
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
        self._gathering.take(batch)
        batch = stamped(batch, self._schema, self._captured_at)
        if len(self._preview) < PREVIEW_ROWS:
            self._preview += first_rows(batch, PREVIEW_ROWS - len(self._preview))
        self._rows += len(batch)
        self._stage.write(batch)

    def finish(self) -> MadePartition:
        """The partition, its file closed and its footer written.

        Raises `ShapeError` for too many misfits or a column that all records should have and none has, `VanishedError`,
        and `LateAnswerError` for an answer that came too late.
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
            facts.FOOTER: self._gathering.entry(self._listed),
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
            keys=self._gathering.key_set() if self._compared else None,
        )

    def _facts(self) -> dict[str, Any]:
        return {
            "requests": self.tally.requests,
            "retries": self.tally.retries,
            "coercions": self._coercions.total(),
            "coercions_by_column": dict(self._coercions),
            "vanished": self._vanished,
            "misfits": len(self._misfits),
        }

    def _judge(self) -> None:
        """Refuse what the platform can't mean."""
        gone, listed = self._vanished, self._listed or 0
        if gone > _VANISHED and gone > _VANISHED_SHARE * listed:
            raise VanishedError(
                f"{gone:,} of {listed:,} entities that the platform lists are not found (404), "
                f"more than {_VANISHED_SHARE:.0%}",
                gist="the platform doesn't find the entities that it lists",
            )
        reason = ""
        if lacking := self._lacking():
            reason = f"none of {self._rows:,} records has {', '.join(lacking)}: a field was renamed or left out"
        clear = sum("hashed e-mail" in misfit.reason for misfit in self._misfits)
        only_clear = clear > _FEW_ROWS and not self._gathering.hashes
        try:
            self._misfits.judge(0 if only_clear else self._rows)
        except ResponseShapeError as error:
            reason = str(error)
        if reason:
            raise ShapeError(website=self._website, endpoint=self._endpoint.name, reason=reason, status=200)

    def _lacking(self) -> list[str]:
        """The columns that every record should fill and none does."""
        if self._rows <= _FEW_ROWS:
            return []
        sent = (column.name for column in self._endpoint.columns if column.always_sent)
        return [name for name in sent if not self._gathering.filled(self._rows, name)]

    def discard(self) -> None:
        """Give the partition up."""
        self._stage.discard()
