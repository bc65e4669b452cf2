"""Messages to a person, through a Slack-compatible webhook.

A webhook's URL is a secret: it comes from the environment and stands in no message, log or exception. The HTTP
libraries are imported where a message is sent: loading the definitions must not wait for them.
"""

import json
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
    from ignite_assets.api.wire import Host, as_sent, hide_in_logs

    parts, target = urlsplit(url), as_sent(url)
    hide_in_logs(url, target)
    host = Host(f"{parts.scheme}://{parts.netloc}", connections=1, timeout_seconds=_TIMEOUT_SECONDS)
    body = json.dumps({"text": text}).encode()
    with closing(host), Deadline(_CALL_SECONDS) as deadline:
        answer = host.open("POST", target, deadline, body=body, headers={"Content-Type": "application/json"})
        answer.close()
        return answer.status
