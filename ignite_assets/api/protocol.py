"""Requests and answers as values: what to send for a row, and what a status means. Pure; no I/O.

Source: the vendor's page, "Authentication", "Look-back Date" and "Hashing Algorithms". Statuses and `Retry-After`
are not documented there; they are read as HTTP defines them (RFC 9110).
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.errors import (
    NotFoundError,
    RateLimitedError,
    RedirectedError,
    RequestError,
    ServerError,
    UnauthorizedError,
)
from ignite_assets.api.table import Algo


@dataclass(frozen=True)
class Credentials:
    """What the platform asks of a website. Never shown: both travel in the query string."""

    token: str
    secret: str

    def __repr__(self) -> str:
        return "Credentials(***)"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request for a row of the table."""

    endpoint: Endpoint
    look_back: dt.date | None = None
    """First day of the window; None where the endpoint takes no date."""
    entity: int | None = None
    """The id, where the endpoint answers for one at a time."""

    @property
    def path(self) -> str:
        """The path below the base URL."""
        return self.endpoint.path.format(id=self.entity)

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.endpoint.name

    @property
    def label(self) -> str:
        """How messages name the call."""
        return self.endpoint.name if self.entity is None else f"{self.endpoint.name} {self.entity}"


@dataclass(frozen=True, kw_only=True)
class OptOutCall:
    """The one request that writes: people who want no more mail. Answered with an empty object."""

    emails: str = field(repr=False)
    """One address, or a JSON array of them."""
    look_back: None = None
    path: str = "/opt_outs/new"
    """Not below `/api`, as the vendor's example shows."""
    name: str = "opt_outs"
    label: str = "opt_outs"


def opt_out_query(call: OptOutCall, credentials: Credentials) -> dict[str, str]:
    """The call's query string: the token alone ("authentication secret is not required")."""
    return {"token": credentials.token, "emails": call.emails}


def query(call: Call, algo: Algo, credentials: Credentials) -> dict[str, str]:
    """The call's query string, with both credentials: sales documents the token alone, its example sends both."""
    parameters = {"token": credentials.token, "secret": credentials.secret}
    if call.endpoint.dated and call.look_back is not None:
        parameters["date"] = call.look_back.isoformat()
    if call.endpoint.hashed:
        parameters["algo"] = algo
    return parameters


def refusal(status: int) -> tuple[type[RequestError], str] | None:
    """The error that a status stands for, with its reason; None for the one status that carries an answer."""
    if status == 200:
        return None
    known: Mapping[int, tuple[type[RequestError], str]] = {
        401: (UnauthorizedError, "the platform refuses the website's credentials"),
        403: (UnauthorizedError, "the platform refuses the website's credentials"),
        404: (NotFoundError, "not found"),
        408: (ServerError, "the platform timed out"),
        429: (RateLimitedError, "too many requests"),
    }
    if status in known:
        return known[status]
    if status < 300 or status == 304:  # which no request of ours asks for
        return RequestError, "the platform answers with a status that carries no data"
    if 300 <= status < 400:
        return RedirectedError, "the platform redirects, which is not followed"
    if status >= 500:
        return ServerError, "the platform failed"
    return RequestError, "the platform refuses the request"


def retry_after(header: str | None, now: dt.datetime) -> float | None:
    """The seconds that a `Retry-After` header asks for, in either of its forms; None when it says nothing usable."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or dt.UTC) - now).total_seconds())
