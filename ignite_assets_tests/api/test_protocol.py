"""Requests and answers as values."""

import datetime as dt
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint, by_name
from ignite_assets.api.errors import (
    NotFoundError,
    RateLimitedError,
    RedirectedError,
    RequestError,
    ServerError,
    UnauthorizedError,
)
from ignite_assets.api.protocol import Call, Credentials, query, refusal, retry_after

NOW = dt.datetime(2026, 11, 20, 9, 30, 12, tzinfo=dt.UTC)
CREDENTIALS = Credentials("a token", "a secret")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda row: row.name)
def test_a_query_holds_credentials_and_what_the_row_takes(endpoint: Endpoint) -> None:
    sent = query(Call(endpoint=endpoint, look_back=dt.date(2026, 11, 1), entity=7), "md5", CREDENTIALS)
    assert (sent.pop("token"), sent.pop("secret")) == ("a token", "a secret")
    assert sent == {
        **({"date": "2026-11-01"} if endpoint.dated else {}),
        **({"algo": "md5"} if endpoint.hashed else {}),
    }


def test_a_call_knows_its_path_and_its_name() -> None:
    members = by_name()["audience_members"]
    assert (Call(endpoint=members, entity=7).path, Call(endpoint=members, entity=7).label) == (
        "/api/audiences/7",
        "audience_members 7",
    )
    assert Call(endpoint=by_name()["sales"]).label == "sales"


def test_credentials_never_show_themselves() -> None:
    assert "a " not in f"{CREDENTIALS} {CREDENTIALS!r} {[CREDENTIALS]}"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, None), (201, RequestError), (204, RequestError), (206, RequestError), (301, RedirectedError),
        (302, RedirectedError), (304, RequestError), (308, RedirectedError), (400, RequestError),
        (401, UnauthorizedError), (403, UnauthorizedError), (404, NotFoundError), (408, ServerError),
        (410, RequestError), (429, RateLimitedError), (500, ServerError), (503, ServerError), (599, ServerError),
    ],
)  # fmt: skip
def test_a_status_stands_for_an_error(status: int, kind: type[RequestError] | None) -> None:
    found = refusal(status)
    assert (found and found[0]) == kind


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("0", 0),
        (" 120 ", 120),
        ("9" * 400, 999_999_999),
        ("Fri, 20 Nov 2026 09:31:12 GMT", 60),
        ("Friday, 20-Nov-26 09:31:12 GMT", 60),
        ("Fri Nov 20 09:31:12 2026", 60),
        ("Fri, 20 Nov 2026 10:31:12 +0100", 60),
        ("Fri, 20 Nov 2026 09:30:11 GMT", 0),
        ("Fri, 99 Nov 2026 09:30:11 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
        (
            "Fri, 31 Dec 9999 23:59:59 -2359",
            (dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC) - NOW).total_seconds() + 86_340,
        ),
    ],
)
def test_retry_after_is_read_in_each_form(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


@given(
    header=st.text() | st.datetimes(timezones=st.just(dt.UTC)).map(lambda moment: format_datetime(moment, usegmt=True))
)
def test_any_retry_after_is_a_wait_or_nothing(header: str) -> None:
    seconds = retry_after(header, NOW)
    assert seconds is None or seconds >= 0
