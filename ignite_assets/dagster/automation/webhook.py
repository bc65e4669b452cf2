"""Messages to a person, through a Slack-compatible webhook. The one place besides the API client that opens a socket.

A webhook's URL is a secret: it comes from the environment and stands in no message, log or exception. `requests` is
imported where a message is sent: loading the definitions must not wait for it.
"""

import logging
import os
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit

from ignite_assets._version import __version__
from ignite_assets.api.addresses import is_loopback
from ignite_assets.api.errors import ConfigurationError, IgniteError

_TIMEOUT_SECONDS = 10


class NotDeliveredError(IgniteError):
    """The webhook did not take the message; another try may help."""

    retryable = True


def webhook_url(variable: str) -> str:
    """The webhook's URL. Raises `ConfigurationError` when the variable holds none that messages may be sent to."""
    url = os.environ.get(variable, "").strip()
    parts = _split(url)
    host = parts.hostname if parts else None
    if parts and host and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        return url
    reason = "holds no URL that is https or loopback" if url else "is not set or empty"
    raise ConfigurationError("alerts", [f"the environment variable {variable} {reason}"])


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return None if port == 0 else parts


def post(url: str, text: str) -> None:
    """Send one message. Raises `NotDeliveredError`, which doesn't name the URL."""
    import urllib3

    failure = ""
    try:
        status = _send(url, text)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:  # those of requests are OSErrors
        failure = f"the webhook can't be reached ({type(error).__name__})"
    else:
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            failure = f"the webhook answered with status {status}"
    if failure:
        raise NotDeliveredError(failure)


def _send(url: str, text: str) -> int:
    """The status of the answer, whose body isn't read: it may be endless, and says nothing."""
    import requests

    _SECRETS.hide(url)
    with requests.Session() as session:
        session.trust_env = url.startswith("https:")  # loopback needs no proxy, which would see the URL in clear
        answer = session.post(
            url,
            json={"text": text},
            timeout=_TIMEOUT_SECONDS,
            allow_redirects=False,
            stream=True,
            headers={"User-Agent": f"ignite_assets/{__version__}"},
        )
        answer.close()
        return answer.status_code


class _Secrets(logging.Filter):
    """Cuts what follows the host in a webhook's URL out of log records."""

    def __init__(self) -> None:
        super().__init__()
        self._paths: set[str] = set()

    def hide(self, url: str) -> None:
        """Keep a URL's path and query out of `urllib3`'s debug logs."""
        import requests

        parts = urlsplit(url)
        # As it is, and as it goes over the wire.
        prepared = urlsplit(requests.Request("POST", url).prepare().url or "")
        for each in (parts, prepared):
            self._paths |= {part for part in (each.path, each.query) if len(part) > 1}
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(self._without(argument) for argument in record.args)
        record.msg = self._without(record.msg)
        return True

    def _without(self, value: object) -> object:
        shown = text = value if isinstance(value, str) else repr(value)
        for path in self._paths:
            shown = shown.replace(path, "/…")
        return value if shown == text else shown


_LOGGERS = ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry")
_SECRETS = _Secrets()
