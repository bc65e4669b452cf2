"""What can go wrong, as one tree; each class knows whether another try can help.

* IgniteError
  x ConfigurationError: the configuration is wrong or missing
    - CredentialsError: a website's credentials are not in the environment
  x DateRefusedError: the platform can't be asked for that date
  x WindowError: the platform answered for another look-back window than the one asked for
  x VanishedError: the platform doesn't find too many of the entities that it lists (another try can help)
  x StorageError (in `storage`): the lake could not be written or read (another try can help)
  x MissingPartitionError: a partition that this one is made from has not been captured
  x SelectionError: a reader asked the lake for what it doesn't hold
  x RequestError: the platform did not answer as it should
    - UnauthorizedError: 401, 403
    - NotFoundError: 404
    - RedirectedError: 3xx; redirects aren't followed, since the query carries credentials
    - RateLimitedError: 429 (another try can help)
    - ServerError: 408, 5xx (another try can help)
    - NetworkError: no connection, a timeout, a reset (another try can help)
    - BodyError: truncated, not JSON (another try can help)
    - BodyTooLargeError: larger than allowed
    - ShapeError: valid JSON that is not the documented shape
    - OtherEntityError: the answer is another entity's (another try can help)
    - StoppedError: not asked any more, after too many failures (another try can help if it could help the last one)
  x ReadingError: what a reader finds in a body; the client, who knows the call, makes it a RequestError
    - UnparsableError: becomes BodyError
    - ResponseShapeError: becomes ShapeError
    - MismatchError: becomes OtherEntityError

No message here ever holds a URL with its query, a token, a secret, an address or a piece of a body.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class FailureRecord:
    """An error as data: what is recorded and grouped of it. Words are made of it where it is shown."""

    kind: str
    """The class of the error."""
    reason: str
    """One line."""
    gist: str
    """The reason without what differs between failures of one cause, such as dates and counts."""
    website: str | None = None
    endpoint: str | None = None
    """The endpoint, and the id of the entity if one was asked for."""
    status: int | None = None
    """The HTTP status of the last answer."""
    tries: int | None = None
    """The tries of the call; None when the platform was not asked."""
    advice: str = ""
    """What to do about it."""
    refused: bool = False
    """Whether the platform was not asked, since it can't be for that date."""

    @property
    def cause(self) -> tuple[str, str, int | None]:
        """The same for failures that are shown as one."""
        return self.kind, self.gist, self.status

    @property
    def words(self) -> str:
        """The reason, what was answered and the advice, without website and endpoint."""
        advice = f"; {self.advice}" if self.advice else ""
        if self.tries is None:
            return f"{self.reason}{advice}"
        answered = "no answer" if self.status is None else f"status {self.status}"
        return f"{self.reason} ({answered}, {self.tries} {'try' if self.tries == 1 else 'tries'}){advice}"

    @property
    def text(self) -> str:
        """The words after the website and endpoint, where these are known."""
        return ": ".join(filter(None, (self.website, self.endpoint, self.words)))


class IgniteError(Exception):
    """Anything this package raises on purpose.

    `gist` is the message without what differs between errors of one cause, such as dates and counts.
    """

    retryable: bool = False
    """Whether the same thing, tried again later, may succeed."""
    advice: str = ""
    """What to do about it, set by code that knows."""

    def __init__(self, message: str = "", *, gist: str | None = None) -> None:
        super().__init__(message)
        self.gist = gist

    def record(self) -> FailureRecord:
        """The error as data."""
        reason = " ".join(str(self).split())
        return FailureRecord(kind=type(self).__name__, reason=reason, gist=self.gist or reason, advice=self.advice)


class ConfigurationError(IgniteError):
    """The configuration is wrong or missing; `mistakes` holds all that were found, a line each."""

    def __init__(self, source: str, mistakes: Sequence[str]) -> None:
        self.source = source
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join([f"{source}:", *(f"  {mistake}" for mistake in self.mistakes)]))


class CredentialsError(ConfigurationError):
    """A website's credentials are not in the environment."""

    def __init__(self, website: str, variables: Sequence[str], reason: str = "is not set or empty") -> None:
        self.website = website
        super().__init__(
            f"credentials of {website}", [f"the environment variable {name} {reason}" for name in variables]
        )


class DateRefusedError(IgniteError):
    """The platform can't be asked for that date; nothing was requested."""

    def record(self) -> FailureRecord:
        """The refusal as data."""
        return replace(super().record(), refused=True)


class LateAnswerError(IgniteError):
    """The answer came when its date could not be asked for any more: it may be of another day or window."""


class WindowError(IgniteError):
    """The platform answered for another look-back window: a newer window isn't within it."""


class VanishedError(IgniteError):
    """The platform lists entities and then answers 404 for too many of them."""

    retryable = True


class MissingPartitionError(IgniteError):
    """A partition that this one is made from has not been captured."""


class SelectionError(IgniteError):
    """A reader asked the lake for what it doesn't hold. The message says what it holds."""


class RequestError(IgniteError):
    """A call failed. The message names website, endpoint, status and tries, never the query."""

    not_before: dt.datetime | None = None
    """When the platform asks to come back, if that is later than a call can wait."""

    def __init__(self, *, website: str, endpoint: str, reason: str, status: int | None = None, tries: int = 1) -> None:
        self.website = website
        self.endpoint = endpoint
        self.reason = reason
        self.status = status
        self.tries = tries
        super().__init__(self.record().text)

    @property
    def about(self) -> str:
        """The message without the website."""
        return replace(self.record(), website=None).text

    def record(self) -> FailureRecord:
        """The failed call as data."""
        return FailureRecord(
            kind=type(self).__name__,
            reason=self.reason,
            gist=self.reason,
            website=self.website,
            endpoint=self.endpoint,
            status=self.status,
            tries=self.tries,
            advice=self.advice,
        )


class UnauthorizedError(RequestError):
    """401 or 403: the platform refuses the website's token or secret."""


class NotFoundError(RequestError):
    """404: there is no such entity."""


class RedirectedError(RequestError):
    """3xx: followed, it would hand the credentials in the query to another address."""


class RateLimitedError(RequestError):
    """429: too many requests."""

    retryable = True


class ServerError(RequestError):
    """408 or 5xx: the platform's own trouble."""

    retryable = True


class NetworkError(RequestError):
    """No connection, a timeout, a reset."""

    retryable = True


class BodyError(RequestError):
    """The body is truncated or isn't JSON."""

    retryable = True


class BodyTooLargeError(RequestError):
    """The body is larger than the configured bound."""


class ShapeError(RequestError):
    """Valid JSON that is not the documented shape."""


class StoppedError(RequestError):
    """The call was given up, since the website's calls before it failed; `cause` is the last failure, if any.

    `final`: for the whole run, so that another try within it can't help.
    """

    def __init__(
        self,
        *,
        website: str,
        endpoint: str,
        reason: str,
        tries: int,
        cause: RequestError | None = None,
        final: bool = False,
    ) -> None:
        super().__init__(website=website, endpoint=endpoint, reason=reason, tries=tries)
        self.cause = cause
        self.retryable = not final and cause is not None and cause.retryable
        self.not_before = cause.not_before if cause else None


class OtherEntityError(RequestError):
    """The answer is another entity's than the one asked for: a cache mixed them up."""

    retryable = True


class ReadingError(IgniteError):
    """A body that can't be read; raised by readers, which don't know whose body it is."""


class UnparsableError(ReadingError):
    """Truncated, not JSON, not UTF-8. Says what is wrong, never quotes the body."""


class MismatchError(ReadingError):
    """The answer names another entity than the one asked for. Becomes `OtherEntityError`."""


class ResponseShapeError(ReadingError):
    """Valid JSON that is not the documented shape. Says which kind was found, never the value."""

    def __init__(self, *details: str, expected: str = "", found: object = None) -> None:
        """Say what was `expected` and which kind was `found`, or some `details` instead."""
        super().__init__(" ".join(details) or f"expected {expected}, found {json_kind(found)}")


def json_kind(value: object) -> str:
    """The JSON name of a decoded value's kind, for messages that must not show the value."""
    if value is None:
        return "null"
    kinds: dict[type, str] = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        list: "an array",
        dict: "an object",
    }
    return kinds.get(type(value), type(value).__name__)
