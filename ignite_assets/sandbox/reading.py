"""Reading what a request carries: date, algo, id, and the e-mails of an opt-out.

Pure functions from text to checked values; each refuses what the platform would with a `Refusal`, whose message
never repeats a value.
"""

import datetime as dt
import json
import re
from collections.abc import Sequence
from typing import get_args

from ignite_assets.api.table import ALGOS, Algo

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ID = re.compile(r"[0-9]{1,18}")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


class Refusal(Exception):  # noqa: N818 - a refusal isn't an error of ours
    """A request that the platform doesn't serve, with the status it answers."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def read_date(text: str | None) -> dt.date | None:
    """A look-back date; None when none was sent."""
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text if _DATE.fullmatch(text) else "")
    except ValueError:
        raise Refusal(400, "date is not of the form YYYY-MM-DD") from None


def read_algo(text: str | None) -> Algo:
    """A hash algorithm; md5 when none was sent."""
    algo: Algo | None = next((algo for algo in get_args(Algo) if algo == (text or "md5")), None)
    if algo is None:
        raise Refusal(400, f"algo is none of {' '.join(ALGOS)}")
    return algo


def read_id(text: str | None) -> int | None:
    """The id in a path; None when it isn't a number."""
    return int(text) if text and _ID.fullmatch(text) else None


def read_emails(sent: Sequence[str]) -> list[str]:
    """The addresses of an opt-out: each value is one address or a JSON array of addresses."""
    addresses = [address for value in sent for address in _addresses(value)]
    if not addresses:
        raise Refusal(400, "emails is missing")
    if not all(isinstance(address, str) and _ADDRESS.fullmatch(address.strip()) for address in addresses):
        raise Refusal(400, "emails is neither an address nor a JSON array of addresses")
    return [str(address) for address in addresses]


def _addresses(value: str) -> list[object]:
    if not value.lstrip().startswith("["):
        return [value]
    try:
        return list(json.loads(value))
    except (ValueError, RecursionError):
        raise Refusal(400, "emails is not a JSON array") from None
