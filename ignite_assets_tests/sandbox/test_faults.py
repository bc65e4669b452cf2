"""Faults on demand, as a client really sees them."""

import datetime as dt
import gzip
import http.client
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests
import urllib3

from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.sandbox.faults import Faults, SandboxCall
from ignite_assets_tests.sandbox.conftest import NOW, SITES, Caller

VISITORS = "/api/visitors"


def causes(error: BaseException) -> list[type[BaseException]]:
    """The types of everything that an exception was made of."""
    inner = [arg for arg in error.args if isinstance(arg, BaseException)]
    linked = [link for link in (error.__cause__, error.__context__) if link]
    return [type(error), *(kind for each in (*inner, *linked) for kind in causes(each))]


def failure(caller: Caller, **query: Any) -> list[type[BaseException]]:
    with pytest.raises(requests.RequestException) as caught:
        caller.get(VISITORS, **query)
    return causes(caught.value)


def test_a_reset_is_seen_as_a_reset(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(cut="reset"))
    assert ConnectionResetError in failure(caller)


def test_a_closed_connection_is_seen_as_no_answer(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(cut="close"))
    assert http.client.RemoteDisconnected in failure(caller)


def test_a_body_shorter_than_its_length_is_seen_as_incomplete(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(cut="length"))
    assert urllib3.exceptions.IncompleteRead in failure(caller)


def test_a_chunked_body_without_its_end_is_seen_as_broken(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(cut="chunked"))
    assert requests.exceptions.ChunkedEncodingError in failure(caller)


def test_after_a_cut_the_next_request_is_answered(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(*(Fault(cut=cut, times=1) for cut in ("reset", "close", "length", "chunked")))
    for _ in range(4):
        failure(caller)
    assert caller.json(VISITORS)


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 502, 503, 504, 599])
def test_any_status_can_be_had(server: SandboxServer, caller: Caller, status: int) -> None:
    server.faults.add(Fault(status=status))
    assert caller.get(VISITORS).status_code == status


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_carries_its_location(server: SandboxServer, status: int) -> None:
    server.faults.add(Fault(status=status, headers={"Location": "https://elsewhere.example/"}))
    query = {"token": "t"}
    response = requests.get(server.url + VISITORS, query, allow_redirects=False, timeout=30)
    assert (response.status_code, response.headers["Location"]) == (status, "https://elsewhere.example/")


@pytest.mark.parametrize(("given", "sent"), [(7, "7"), ("soon", "soon"), ("-1", "-1")])
def test_retry_after_is_sent_as_given(server: SandboxServer, caller: Caller, given: Any, sent: str) -> None:
    server.faults.add(Fault(retry_after=given))
    response = caller.get(VISITORS)
    assert (response.status_code, response.headers["Retry-After"]) == (429, sent)


def test_retry_after_can_be_a_date(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(status=503, retry_after=NOW))
    response = caller.get(VISITORS)
    assert response.status_code == 503
    assert parsedate_to_datetime(response.headers["Retry-After"]) == NOW.replace(microsecond=0)


def test_any_bytes_can_be_a_body(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(body=b"<html>\xff", content_type="text/html"))
    response = caller.get(VISITORS)
    assert (response.status_code, response.content) == (200, b"<html>\xff")
    assert response.headers["Content-Type"].startswith("text/html")


def test_a_body_can_be_encoded(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(body=gzip.compress(b"[1]"), content_encoding="gzip"))
    assert caller.json(VISITORS) == [1]


def test_a_body_can_lie_about_its_encoding(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(body=b"[1]", content_encoding="gzip"))
    assert requests.exceptions.ContentDecodingError in failure(caller)


def test_a_slow_body_is_the_true_one(server: SandboxServer, caller: Caller) -> None:
    truth = caller.get(VISITORS).content
    server.faults.add(Fault(pause=0.0, piece=1000))
    assert caller.get(VISITORS).content == truth


def test_an_endless_body_never_ends(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(endless=True, body=b"[" * 1000, piece=1000))
    credentials = {"token": caller.website.token}
    with requests.get(server.url + VISITORS, credentials, stream=True, timeout=30) as response:
        pieces = response.iter_content(10_000)
        assert sum(len(next(pieces)) for _ in range(10)) > 5000


def test_a_delay_leaves_the_answer_true(server: SandboxServer, caller: Caller) -> None:
    truth = caller.json(VISITORS)
    server.faults.add(Fault(delay=0.001))
    assert caller.json(VISITORS) == truth


def test_a_fault_of_a_delay_lets_later_faults_act(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(delay=0.001), Fault(status=503, times=1))
    assert caller.get(VISITORS).status_code == 503
    assert caller.get(VISITORS).status_code == 200


def test_a_counted_fault_goes_away(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(status=500, times=2))
    assert [caller.get(VISITORS).status_code for _ in range(4)] == [500, 500, 200, 200]


def test_faults_are_gone_when_cleared(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(status=500))
    server.faults.clear()
    assert caller.get(VISITORS).status_code == 200


def test_a_fault_concerns_only_what_it_names(server: SandboxServer, caller: Caller) -> None:
    first, second = (audience["id"] for audience in caller.json("/api/audiences")[:2])
    server.faults.add(Fault(endpoint="audience_members", website=SITES[0].key, id=first, status=404))
    other = Caller(server, SITES[1])
    assert caller.get(f"/api/audiences/{first}").status_code == 404
    assert caller.get(f"/api/audiences/{second}").status_code == 200
    assert caller.get(VISITORS).status_code == 200
    assert other.get("/api/audiences").status_code == 200


def test_a_chance_is_the_same_each_time() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults()
        faults.add(Fault(probability=0.3, status=500, seed=seed))
        return [faults.strike(SandboxCall("visitors", None, None))[1] is not None for _ in range(200)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 30 < sum(struck(1)) < 90


@pytest.mark.parametrize("wrong", [{"probability": 2}, {"delay": -1}, {"pause": -1}, {"piece": 0}])
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"probability|negative"):
        Fault(**wrong)


def test_a_moment_in_another_zone_is_sent_in_gmt() -> None:
    moment = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert Fault(retry_after=moment).all_headers["Retry-After"] == "Thu, 01 Jan 2026 10:00:00 GMT"
