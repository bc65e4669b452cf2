"""Messages to a webhook on loopback: sent once, or refused in words that hold no secret."""

import json
import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from ignite_assets.api.errors import ConfigurationError
from ignite_assets.dagster.automation import webhook
from ignite_assets.dagster.automation.webhook import NotDeliveredError, post, webhook_url
from ignite_assets.sandbox.damage import DRIPS
from ignite_assets_tests.api.servers import RawServer, dripping
from ignite_assets_tests.webhook import PATH, SECRETS, Receiver

VARIABLE = "ALERTS_WEBHOOK"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_a_message_is_one_post_of_slack_compatible_json(receiver: Receiver) -> None:
    post(receiver.url, "acme-honda: naïve • “quotes” \n second line")
    ((path, body),) = receiver.requests
    assert path == PATH
    assert json.loads(body) == {"text": "acme-honda: naïve • “quotes” \n second line"}


# Where messages may go.


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T/B/x",
        "https://hooks.example:8443/x?key=1",
        "http://localhost/x",
        "http://127.0.0.1:8080/x",
        "http://[::1]/x",
        "  https://hooks.slack.com/services/T/B/x\n",
    ],
)
def test_https_and_loopback_are_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, url)
    assert webhook_url(VARIABLE) == url.strip()


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.com/services/T0CANARY/x",
        "http://127.0.0.1.evil.example/T0CANARY",
        "http://10.0.0.1/T0CANARY",
        "ftp://127.0.0.1/T0CANARY",
        "file:///T0CANARY",
        "https:///T0CANARY",
        "https://[/T0CANARY",
        "https://host:port/T0CANARY",
        "https://host:0/T0CANARY",
        "//hooks.slack.com/T0CANARY",
        "T0CANARY",
    ],
)
def test_other_addresses_are_refused_without_being_quoted(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(ConfigurationError) as refused:
        webhook_url(VARIABLE)
    assert "ALERTS_WEBHOOK holds no URL that is https or loopback" in str(refused.value)
    assert "CANARY" not in repr(refused.value)


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_variable_that_is_not_set_is_named(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(ConfigurationError, match="ALERTS_WEBHOOK is not set or empty"):
        webhook_url(VARIABLE)


# What is no delivery.


def failure_of(url: str) -> NotDeliveredError:
    with pytest.raises(NotDeliveredError) as failed:
        post(url, "hello")
    assert failed.value.__cause__ is None
    assert failed.value.__context__ is None
    assert not [secret for secret in SECRETS if secret in repr(failed.value)]
    return failed.value


@pytest.mark.parametrize("status", [400, 403, 404, 410, 429, 500, 503])
def test_a_webhook_that_answers_with_an_error_did_not_take_the_message(receiver: Receiver, status: int) -> None:
    receiver.refuse(status)
    assert str(failure_of(receiver.url)) == f"the webhook answered with status {status}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_redirects_are_not_followed_and_deliver_nothing(receiver: Receiver, status: int) -> None:
    receiver.refuse(status, Location=receiver.url)
    assert str(failure_of(receiver.url)) == f"the webhook answered with status {status}"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_success_is_a_delivery(receiver: Receiver, status: int) -> None:
    receiver.refuse(status)
    post(receiver.url, "hello")


def test_a_webhook_that_is_not_there_is_named(receiver: Receiver) -> None:
    receiver.close()
    assert str(failure_of(receiver.url)) == "the webhook can't be reached: the connection was refused"


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200"], ids=["nothing", "nonsense", "half"])
def test_an_answer_that_is_not_http_is_no_delivery(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                received = b""
                while b"hello" not in received:
                    received += connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        if answer == b"HTTP/1.1 200":
            post(f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}", "hello")  # a status is all that counts
        else:
            failure_of(f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}")
        thread.join()


def test_an_answer_without_end_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
                while connection.recv(65536):
                    pass
                closed.set()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        post(f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}", "hello")
        assert closed.wait(20)


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
def test_an_answer_that_drips_is_waited_for_only_until_the_deadline(
    drip: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "_CALL_SECONDS", 0.15)
    with RawServer(dripping(*drip)) as server:
        told = ""
        try:
            post(f"{server.url}{PATH}", "hello")
        except NotDeliveredError as error:
            told = str(error)
    late = "the webhook can't be reached: the call took longer than 0.15 s"
    # A status is all that counts, however the rest of the answer goes on, if it came in time.
    of_status = {b"HTTP/1.1 200": "", b"HTTP/1.1 503": "the webhook answered with status 503"}
    assert told in {late, of_status.get(drip[0][:12], late)}


def test_a_proxy_never_sees_what_goes_to_loopback(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        post(receiver.url, "hello")
        assert proxy.requests == []
    assert receiver.texts == ["hello"]


# Logs.


def test_debug_logs_never_hold_what_follows_the_host(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3")  # the client of Kubernetes quiets it where it is imported
    post(receiver.url, "hello")
    post(f"{receiver.url}?key=sEcReT", "hello")
    receiver.refuse(500)
    failure_of(receiver.url)
    receiver.close()
    failure_of(receiver.url)
    assert "POST /…" in caplog.text
    assert not [secret for secret in SECRETS if secret in caplog.text]
    assert receiver.url not in caplog.text


def test_other_logs_of_the_library_stay_readable(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    post(receiver.url, "hello")
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3")  # the client of Kubernetes quiets it where it is imported
    logging.getLogger("urllib3.connectionpool").debug('%s "GET %s" %d', "https://host", "/api/visitors", 200)
    assert 'https://host "GET /api/visitors" 200' in caplog.text
