"""Records of an answer that can't be rows, kept with their places: one bad record must not cost the others. Pure."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from ignite_assets.api import fitting
from ignite_assets.api.errors import ResponseShapeError

_FEW = 20
_SHARE = 0.01
_MOST = 100_000
"""Kept in memory; an answer with more is none of the documented shape."""


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """A record that can't be a row."""

    position: int
    """In its answer, from 0."""
    reason: str
    """Which kind was expected and found; never a value."""
    record: object
    """As it was sent, which may be personal data; where hashed e-mails belong, its kind and length alone."""
    entity: int | None = None
    """The id that was asked for, where the endpoint answers for one at a time."""

    @property
    def place(self) -> str:
        """Where it stood, for messages."""
        return f"{self.position}" if self.entity is None else f"{self.position} of {self.entity}"


class Misfits:
    """The misfits of a partition, in the order in which they came."""

    def __init__(self) -> None:
        self._found: list[Misfit] = []

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Misfit]:
        return iter(self._found)

    def add(self, *misfits: Misfit) -> None:
        """Keep some. Raises `ResponseShapeError` for more than can be kept."""
        self._found += misfits
        if len(self._found) > _MOST:
            raise self._refusal(f"more than {_MOST:,} records can't be rows")

    @property
    def places(self) -> list[str]:
        """Where the first ones stood."""
        return [misfit.place for misfit in self._found[:_FEW]]

    def judge(self, rows: int) -> None:
        """Raise `ResponseShapeError` when too many of an answer's records are no rows, or all of them."""
        many = len(self) > _FEW and len(self) > _SHARE * (len(self) + rows)
        if many or (self._found and not rows):
            raise self._refusal(f"{len(self):,} of {len(self) + rows:,} records can't be rows")

    def _refusal(self, told: str) -> ResponseShapeError:
        first = self._found[0]
        return ResponseShapeError(first.reason, f"at position {first.place}; {told}")

    def document(self, **about: str) -> bytes:
        """All of them as JSON, with what it is `about`; empty when there are none."""
        if not self._found:
            return b""
        return fitting.to_json({**about, "misfits": [asdict(misfit) for misfit in self._found]}).encode()
