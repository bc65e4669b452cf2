"""Messages to a person, through a Slack-compatible webhook.

A webhook's URL is a secret: it comes from the environment and stands in no message, log or exception. The HTTP
libraries are imported where a message is sent: loading the definitions must not wait for them.
"""

import json
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from ignite_assets.api import addresses
from ignite_assets.api.deadlines import Deadline
from ignite_assets.api.errors import ConfigurationError, IgniteError
from ignite_assets.config.environment import variable

_TIMEOUT_SECONDS = 10
_CALL_SECONDS = 20


class NotDeliveredError(IgniteError):
    """The webhook did not take the message; another try may help."""

    retryable = True


def webhook_url(name: str, env_file: Path | None = None) -> str:
    """The webhook's URL, its origin in normal form: from the environment, else from a file of variables.

    Raises `ConfigurationError` when the variable holds none that messages may be sent to.
    """
    url = (variable(name, env_file) or "").strip()
    reason = "holds no URL that is https or loopback" if url else "is not set or empty"
    try:
        return addresses.webhook_url(url)
    except ValueError:
        pass
    raise ConfigurationError("alerts", [f"the environment variable {name} {reason}"])


def post(url: str, text: str) -> None:
    """Send one message to a URL of `webhook_url`. Raises `NotDeliveredError`, which doesn't name the URL."""
    if failure := _failure(url, text):
        raise NotDeliveredError(failure)


def _failure(url: str, text: str) -> str:
    """Send the message; why it was not taken, empty when it was. The answer's body isn't read: it may be endless."""
    from ignite_assets.api.wire import NETWORK_ERRORS, Host, as_sent, hide_in_logs, network_reason

    parts, target = urlsplit(url), as_sent(url)
    hide_in_logs(url, target)
    try:
        host = Host(f"{parts.scheme}://{parts.netloc}", connections=1, timeout_seconds=_TIMEOUT_SECONDS)
    except ConfigurationError as error:
        return f"the webhook can't be reached: {error.source} {error.mistakes[0]}"
    body = json.dumps({"text": text}).encode()
    with closing(host), Deadline(_CALL_SECONDS) as deadline:
        try:
            answer = host.open("POST", target, deadline, body=body, headers={"Content-Type": "application/json"})
        except NETWORK_ERRORS as error:
            told = network_reason(error, "before the answer", "the webhook", proxied=host.proxied)
            return f"the webhook can't be reached: {deadline.late or told}"
        answer.close()
    taken = HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
    return "" if taken else f"the webhook answered with status {answer.status}"
