"""What the platform's answer to an opt-out says: done, trouble, or nothing that is known.

The vendor documents `{}` alone. Messages name the fields of an answer, never their values.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ignite_assets.api.errors import IgniteError
from ignite_assets.audiences.drops.columns import word_set

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_STATUS = frozenset(["status", "result", "state", "code"])

MOST_TRIES = 3
"""An answer that nobody understands is asked for so many times, over as many runs; then a person settles it."""

_BAD = word_set("error errors failed failures failure rejected invalid denied refused skipped exception fault warning")
_GOOD = word_set("success successful ok accepted acknowledged processed done created")
_BAD_STATUSES = word_set("error failed failure fail rejected invalid denied refused nok ko")


class NotTakenError(IgniteError):
    """The platform's answer says that it has not taken people; they stay queued."""


class UnclearAnswerError(IgniteError):
    """Nobody can tell whether the platform has taken people."""


def check(answer: Mapping[str, Any], people: int) -> None:
    """Raise `NotTakenError` or `UnclearAnswerError` unless the answer acknowledges so many people."""
    troubles = sorted(set(_troubles(answer, people)))
    if troubles:
        raise NotTakenError(f"the platform did not take everybody, by its answer's fields {', '.join(troubles)}")
    if answer:
        raise UnclearAnswerError(f"the platform's answer is not understood: it has {_named(answer)}")


def _troubles(answer: Mapping[str, Any], people: int) -> Iterator[str]:
    for key, value in answer.items():
        said = {word.casefold() for word in _WORD.findall(key)}
        bad = said & _BAD and value not in (None, False, 0, "", [], {})
        less = said & _GOOD and (_is_no(value) or (_is_count(value) and value < people))
        if bad or less or (said & _STATUS and _is_bad(value)):
            yield _shown(key)
        elif isinstance(value, dict):
            yield from _troubles(value, people)


def _is_no(value: object) -> bool:
    return not value or (isinstance(value, str) and value.casefold() in ("false", "no", "0"))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_bad(value: object) -> bool:
    if isinstance(value, str):
        return value.casefold() in _BAD_STATUSES or (value.isdigit() and int(value) >= 400)
    return value is False or (isinstance(value, int) and value >= 400)


def _named(answer: Mapping[str, Any]) -> str:
    fields = sorted(map(_shown, answer))
    return ("the field " if len(fields) == 1 else "the fields ") + ", ".join(fields[:10])


def _shown(key: str) -> str:
    """A field's name; one that may be a person's address or anything else isn't shown."""
    return key if key.isascii() and key.replace("_", "").replace("-", "").isalnum() and len(key) <= 40 else "(unnamed)"
