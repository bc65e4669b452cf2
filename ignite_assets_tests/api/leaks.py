"""Looking for secrets in everything that a failure leaves behind."""

import base64
import traceback
from collections.abc import Iterator
from urllib.parse import quote, quote_plus


def forms(secret: str) -> set[str]:
    """A secret as it may stand in text: raw, escaped, encoded for a URL in each way, in base64."""
    raw = secret.encode()
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return {
        secret,
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        *encoded,
    }


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and all that can be reached from it, whatever a traceback would print."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop()
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            waiting += [current.__cause__, current.__context__, *current.args, *vars(current).values()]


def text_of(error: BaseException) -> str:
    """Everything that an exception says, however it is shown."""
    parts = [
        f"{each}\n{each!r}\n{each.args!r}\n{vars(each)!r}\n{getattr(each, '__notes__', '')}" for each in chain(error)
    ]
    return "\n".join([*parts, *traceback.format_exception(error)])


def leaks(text: str, *secrets: str) -> list[str]:
    """The forms of the secrets that stand in a text."""
    return sorted(form for secret in secrets for form in forms(secret) if form in text)
