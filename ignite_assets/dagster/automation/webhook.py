"""Messages to a person, through a Slack-compatible webhook.

A webhook's URL is a secret: it comes from the environment and stands in no message, log or exception. The HTTP
libraries are imported where a message is sent: loading the definitions must not wait for them.
"""

import json
import logging
import os
from contextlib import closing
from http import HTTPStatus
from urllib.parse import urlsplit

from ignite_assets.api import addresses
from ignite_assets.api.deadlines import Deadline
from ignite_assets.api.errors import ConfigurationError, IgniteError

_TIMEOUT_SECONDS = 10
_CALL_SECONDS = 20


class NotDeliveredError(IgniteError):
    """The webhook did not take the message; another try may help."""

    retryable = True


def webhook_url(variable: str) -> str:
    """The webhook's URL, its origin in normal form.

    Raises `ConfigurationError` when the variable holds none that messages may be sent to.
    """
    url = os.environ.get(variable, "").strip()
    reason = "holds no URL that is https or loopback" if url else "is not set or empty"
    try:
        return addresses.webhook_url(url)
    except ValueError:
        pass
    raise ConfigurationError("alerts", [f"the environment variable {variable} {reason}"])


def post(url: str, text: str) -> None:
    """Send one message to a URL of `webhook_url`. Raises `NotDeliveredError`, which doesn't name the URL."""
    from ignite_assets.api.wire import NETWORK_ERRORS, network_reason

    failure = ""
    try:
        status = _send(url, text)
    except ConfigurationError as error:
        failure = f"the webhook can't be reached: {error.source} {error.mistakes[0]}"
    except NETWORK_ERRORS as error:
        failure = f"the webhook can't be reached: {network_reason(error, 'before the answer', 'the webhook')}"
    else:
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            failure = f"the webhook answered with status {status}"
    if failure:
        raise NotDeliveredError(failure)


def _send(url: str, text: str) -> int:
    """The status of the answer, whose body isn't read: it may be endless, and says nothing."""
    from ignite_assets.api.wire import Host, as_sent

    parts, target = urlsplit(url), as_sent(url)
    _SECRETS.hide(url, target)
    host = Host(f"{parts.scheme}://{parts.netloc}", connections=1, timeout_seconds=_TIMEOUT_SECONDS)
    body = json.dumps({"text": text}).encode()
    with closing(host), Deadline(_CALL_SECONDS) as deadline:
        answer = host.open("POST", target, deadline, body=body, headers={"Content-Type": "application/json"})
        answer.close()
        return answer.status


class _Secrets(logging.Filter):
    """Cuts what follows the host in a webhook's URL out of log records."""

    def __init__(self) -> None:
        super().__init__()
        self._paths: set[str] = set()

    def hide(self, *urls: str) -> None:
        """Keep the paths and queries of URLs out of `urllib3`'s debug logs."""
        for parts in map(urlsplit, urls):
            self._paths |= {part for part in (parts.path, parts.query) if len(part) > 1}
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
