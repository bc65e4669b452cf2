"""Opt-outs: how they are sent, that they last, and that they leave every answer."""

import datetime as dt
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.api.table import ALGOS, Algo
from ignite_assets.sandbox import Fault, SandboxServer, SandboxWebsite, World, frozen
from ignite_assets.sandbox.optouts import OptedOut
from ignite_assets.sandbox.world import UnknownIdError
from ignite_assets_tests.sandbox.conftest import NOW, SITES, Caller, days_ago

SITE, OTHER = SITES
TRUTH = World()
EVERYONE = TRUTH.addresses(SITE, days_ago(60), NOW)
LOCATIONS = {
    int(str(location["id"])): [one for one in EVERYONE if re.search(rf"\.{location['id']}[abc]@", one)]
    for location in TRUTH.locations(SITE, days_ago(60), NOW)
}
"""The addresses of each household, the resident's first: they name its number."""


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A server of one test's own: opt-outs stay."""
    with SandboxServer(SITES, now=frozen(NOW)) as server:
        yield server


def everything(world: World, algo: Algo) -> str:
    """All that a website answers at one moment, as one text."""
    since = days_ago(60)
    audiences, groups = world.audiences(SITE, NOW), world.audience_groups(SITE, NOW)
    locations = world.locations(SITE, since, NOW)
    answers: list[object] = [audiences, groups, locations, world.visitors(SITE, since, NOW, algo)]
    answers += [world.audience_members(SITE, int(str(one["id"])), since, NOW, algo) for one in audiences]
    answers += [world.audience_group_members(SITE, int(str(one["id"])), since, NOW, algo) for one in groups]
    answers += [world.location_details(SITE, int(str(one["id"])), NOW, algo) for one in locations]
    return json.dumps([*answers, world.sales(SITE, NOW)])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(EVERYONE), unique=True, max_size=40), st.sampled_from(ALGOS))
def test_whoever_opted_out_is_in_no_answer(gone: list[str], algo: Algo) -> None:
    opt_outs = OptedOut()
    opt_outs.add(SITE.key, gone)
    world = World(opt_outs)
    text = everything(world, algo)
    function = {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha2": hashlib.sha256}[algo]
    assert not [address for address in gone if function(address.encode()).hexdigest() in text]
    residents_gone = {number for number, addresses in LOCATIONS.items() if addresses and addresses[0] in gone}
    left = {int(str(location["id"])) for location in world.locations(SITE, days_ago(60), NOW)}
    assert left == set(LOCATIONS) - residents_gone
    matched = {sale["location_id"] for sale in world.sales(SITE, NOW)["matched_sales"]}
    assert not matched & residents_gone
    remaining = [address for address in EVERYONE if address not in set(gone)]
    assert world.addresses(SITE, days_ago(60), NOW) == remaining


def test_counts_and_details_leave_out_the_residents_who_opted_out() -> None:
    number, addresses = next((number, held) for number, held in LOCATIONS.items() if held)
    opt_outs = OptedOut()
    world = World(opt_outs)
    assert world.location_details(SITE, number, NOW, "md5")["id"] == number
    opt_outs.add(SITE.key, [addresses[0]])
    with pytest.raises(UnknownIdError):
        world.location_details(SITE, number, NOW, "md5")
    opt_outs.add(SITE.key, EVERYONE)
    assert world.visitors(SITE, days_ago(60), NOW, "md5") == []
    everyone = [group["visitors_count"] for group in TRUTH.audience_groups(SITE, NOW)]
    left = [group["visitors_count"] for group in world.audience_groups(SITE, NOW)]
    assert all(int(str(few)) < int(str(many)) for few, many in zip(left, everyone, strict=True))


def how(place: str, value: str) -> dict[str, Any]:
    """The keyword arguments that send `emails` in one of the places it may stand."""
    token = {"token": SITE.token}
    sent: dict[str, dict[str, Any]] = {
        "query": {"params": {**token, "emails": value}},
        "urlencoded form": {"params": token, "data": {"emails": value}},
        "multipart form": {"params": token, "files": {"emails": (None, value)}},
        "form alone": {"data": {**token, "emails": value}},
    }
    return sent[place]


@pytest.mark.parametrize("place", ["query", "urlencoded form", "multipart form", "form alone"])
@pytest.mark.parametrize("as_array", [False, True])
def test_an_opt_out_is_taken_wherever_it_stands(caller: Caller, place: str, as_array: bool) -> None:
    gone = EVERYONE[:2] if as_array else EVERYONE[:1]
    response = caller.opt_out(**how(place, json.dumps(gone) if as_array else gone[0]))
    assert (response.status_code, response.json()) == (200, {})
    left = set(caller.json("/api/visitors", algo="sha2", date=days_ago(60)))
    expected = [hashlib.sha256(address.encode()).hexdigest() for address in EVERYONE[len(gone) :]]
    assert left == set(expected)


def test_an_answer_made_before_an_opt_out_is_not_given_after_it(caller: Caller) -> None:
    before = caller.json("/api/visitors")
    caller.opt_out(**how("query", json.dumps(EVERYONE)))
    assert before
    assert caller.json("/api/visitors") == []


def test_a_large_answer_made_before_an_opt_out_is_not_given_after_it() -> None:
    site = SandboxWebsite("large", 6000)
    with SandboxServer([site], now=frozen(NOW)) as server:
        caller = Caller(server, site)
        before = caller.json("/api/visitors", algo="sha2")
        gone = server.world.addresses(site, None, NOW)[100]
        caller.opt_out(params={"token": site.token, "emails": gone})
        assert caller.json("/api/visitors", algo="sha2") == before[:100] + before[101:]


def test_an_opt_out_is_matched_whatever_its_case_and_spaces(caller: Caller) -> None:
    caller.opt_out(**how("query", f"  {EVERYONE[0].upper()} "))
    assert hashlib.md5(EVERYONE[0].encode()).hexdigest() not in caller.json("/api/visitors", date=days_ago(60))


def test_an_opt_out_needs_no_secret_but_a_token(caller: Caller) -> None:
    assert caller.opt_out(params={"token": "no", "emails": EVERYONE[0]}).status_code == 401
    assert caller.opt_out(params={"emails": EVERYONE[0]}).status_code == 401
    assert caller.opt_out(params={"token": SITE.token, "emails": EVERYONE[0]}).status_code == 200


def test_an_opt_out_concerns_one_website(server: SandboxServer, caller: Caller) -> None:
    gone = server.world.addresses(OTHER, days_ago(60), NOW)
    caller.opt_out(**how("query", gone[0]))
    assert server.world.addresses(OTHER, days_ago(60), NOW) == gone


@pytest.mark.parametrize(
    "value", ["", "nobody", "a@example.com b@example.com", "[]", "[", '["a@example.com"', "[1]", '["nobody"]', "[null]"]
)
def test_emails_that_are_none_are_a_bad_request_and_change_nothing(
    server: SandboxServer, caller: Caller, value: str
) -> None:
    response = caller.opt_out(**how("query", value))
    assert response.status_code == 400
    assert server.world.opt_outs.of(SITE.key) == frozenset()


def test_one_bad_address_refuses_the_whole_batch(server: SandboxServer, caller: Caller) -> None:
    assert caller.opt_out(**how("query", json.dumps([EVERYONE[0], "nobody"]))).status_code == 400
    assert server.world.opt_outs.of(SITE.key) == frozenset()


def test_missing_emails_are_a_bad_request(caller: Caller) -> None:
    assert caller.opt_out(params={"token": SITE.token}).status_code == 400


def test_opt_outs_outlive_the_server_in_their_file(tmp_path: Path) -> None:
    file = tmp_path / "opt-outs.tsv"
    with SandboxServer(SITES, now=frozen(NOW), opt_outs_file=file) as server:
        Caller(server, SITE).opt_out(**how("query", EVERYONE[0]))
    with SandboxServer(SITES, now=frozen(NOW), opt_outs_file=file) as server:
        visitors = Caller(server, SITE).json("/api/visitors", date=days_ago(60))
    assert len(visitors) == len(EVERYONE) - 1


def test_the_file_holds_no_address(tmp_path: Path) -> None:
    file = tmp_path / "opt-outs.tsv"
    OptedOut(file).add(SITE.key, [EVERYONE[0]])
    assert "@" not in file.read_text()
    assert hashlib.sha256(EVERYONE[0].encode()).hexdigest() in file.read_text()


def test_an_opt_out_is_on_disk_when_it_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    OptedOut(tmp_path / "opt-outs.tsv").add(SITE.key, [EVERYONE[0]])
    assert len(synced) == 1


def test_a_line_torn_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    file = tmp_path / "opt-outs.tsv"
    OptedOut(file).add(SITE.key, [EVERYONE[0]])
    with file.open("a") as stream:
        stream.write(f"{SITE.key}\tdeadbeef")
    OptedOut(file).add(SITE.key, [EVERYONE[1]])
    assert len(OptedOut(file).of(SITE.key)) == 2


def test_without_a_file_opt_outs_end_with_the_world() -> None:
    moment = NOW + dt.timedelta(days=1)
    World(OptedOut()).opt_outs.add(SITE.key, EVERYONE)
    assert World().visitors(SITE, None, moment, "md5")


def test_an_opt_out_that_failed_is_not_kept(server: SandboxServer, caller: Caller) -> None:
    server.faults.add(Fault(endpoint="opt_outs", status=503, times=1))
    assert caller.opt_out(**how("query", EVERYONE[0])).status_code == 503
    assert server.world.opt_outs.of(SITE.key) == frozenset()
    assert caller.opt_out(**how("query", EVERYONE[0])).status_code == 200
    assert len(server.world.opt_outs.of(SITE.key)) == 1
