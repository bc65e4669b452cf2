"""The platform's answers over real HTTP: every endpoint, access, windows, algorithms, oddities, rows added later."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint, Ids, Record, one_object
from ignite_assets.api.errors import ResponseShapeError
from ignite_assets.api.table import ALGOS, Column
from ignite_assets.sandbox import SandboxServer, SandboxWebsite, World, frozen
from ignite_assets_tests.sandbox.conftest import NOW, SITES, TODAY, Caller, days_ago

SITE = SITES[0]
WORLD = World()
ROWS = {row.name: row for row in ENDPOINTS}


def path_of(row: Endpoint, caller: Caller) -> str:
    """The path of a row, with the first id that its parent lists."""
    if row.ids is None:
        return row.path
    parent = ROWS[row.ids.endpoint]
    return row.path.replace("{id}", str(caller.json(parent.path)[0]["id"]))


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.name)
def test_every_row_is_answered_in_its_shape(caller: Caller, row: Endpoint) -> None:
    answer = caller.json(path_of(row, caller))
    if callable(row.answer):
        assert row.answer(answer)
    else:
        assert isinstance(answer, list)
        assert {type(entry) for entry in answer} == {str if row.answer == "hashes" else dict}


@pytest.mark.parametrize("row", [row for row in ENDPOINTS if row.answer == "objects"], ids=lambda row: row.name)
def test_objects_hold_the_documented_fields(caller: Caller, row: Endpoint) -> None:
    sent = {name for record in caller.json(row.path) for name in record}
    documented = {column.name for column in row.columns} - {"extra"}
    assert documented <= sent


def test_location_details_hold_the_documented_fields(caller: Caller) -> None:
    row = ROWS["location_details"]
    ids = [location["id"] for location in caller.json("/api/locations")][:40]
    found: set[tuple[str, ...]] = set()
    for number in ids:
        answer = caller.json(f"/api/locations/{number}")
        found |= {(name,) for name in answer} | {("summary", name) for name in answer["summary"]}
    assert {column.source for column in row.columns} - {("extra",), ("algo",)} <= found


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.name)
@pytest.mark.parametrize("wrong", [{"token": "no"}, {"secret": "no"}, {"token": ""}, {"secret": None}, {"token": None}])
def test_without_both_credentials_nothing_is_answered(caller: Caller, row: Endpoint, wrong: dict[str, Any]) -> None:
    response = caller.get(row.path.replace("{id}", "1"), **wrong)
    assert response.status_code == 401
    assert set(response.json()) == {"error"}


def test_the_secret_of_another_website_opens_nothing(caller: Caller) -> None:
    assert caller.get("/api/visitors", secret=SITES[1].secret).status_code == 401


def test_the_token_tells_the_website(server: SandboxServer) -> None:
    answers = [Caller(server, site).json("/api/visitors") for site in SITES]
    assert answers == [WORLD.visitors(site, None, NOW, "md5") for site in SITES]


def test_an_error_never_repeats_what_was_sent(caller: Caller) -> None:
    for query in ({"token": "s3cret-token"}, {"date": "s3cret-date"}, {"algo": "s3cret-algo"}):
        assert "s3cret" not in caller.get("/api/visitors", **query).text


@pytest.mark.parametrize("algo", [None, *ALGOS])
@pytest.mark.parametrize("age", [None, 0, 1, 7, 30, 31, 60, 61, 400])
def test_a_window_answers_what_the_world_says(caller: Caller, age: int | None, algo: Any) -> None:
    since = None if age is None else days_ago(age)
    answer = caller.json("/api/visitors", date=since, algo=algo)
    assert answer == WORLD.visitors(SITE, since, NOW, algo or "md5")
    assert caller.json("/api/locations", date=since) == WORLD.locations(SITE, since, NOW)
    assert caller.json("/api/products", date=since, algo=algo) == WORLD.products(SITE, since, NOW)


def test_the_present_is_answered_as_the_world_says(caller: Caller) -> None:
    assert caller.json("/api/audiences") == WORLD.audiences(SITE, NOW)
    assert caller.json("/api/audience_groups") == WORLD.audience_groups(SITE, NOW)
    assert caller.json("/api/sales") == WORLD.sales(SITE, NOW)


def test_details_are_answered_for_each_id(caller: Caller) -> None:
    for audience in caller.json("/api/audiences")[:3]:
        members = caller.json(f"/api/audiences/{audience['id']}", date=days_ago(5), algo="sha2")
        assert members == WORLD.audience_members(SITE, audience["id"], days_ago(5), NOW, "sha2")
    for group in caller.json("/api/audience_groups"):
        members = caller.json(f"/api/audience_groups/{group['id']}", date=days_ago(5), algo="sha1")
        assert members == WORLD.audience_group_members(SITE, group["id"], days_ago(5), NOW, "sha1")


def test_location_details_agree_with_the_location_and_its_window(caller: Caller) -> None:
    for location in caller.json("/api/locations", date=days_ago(3)):
        answer = caller.json(f"/api/locations/{location['id']}", algo="sha2")
        assert location.items() <= answer.items()
        assert answer["summary"]["visit_last"][:10] >= days_ago(3).isoformat()
        assert answer["summary"]["session_count"] >= min(len(answer["pages"]), 1)


@pytest.mark.parametrize("parent", ["locations", "audiences", "audience_groups"])
@pytest.mark.parametrize("number", ["1", "999999999999", "abc", "1.5", "-3", "٣", "9" * 40])
def test_an_unknown_id_is_not_found(caller: Caller, parent: str, number: str) -> None:
    response = caller.get(f"/api/{parent}/{number}")
    assert response.status_code == 404
    assert set(response.json()) == {"error"}


@pytest.mark.parametrize(
    "date", ["", "yesterday", "2026-13-01", "2026-02-30", "20261101", "2026-W47-1", "2026-11-01T00"]
)
def test_an_invalid_date_is_a_bad_request(caller: Caller, date: str) -> None:
    response = caller.get("/api/visitors", date=date)
    assert response.status_code == 400
    assert set(response.json()) == {"error"}


def test_an_unknown_algorithm_is_a_bad_request(caller: Caller) -> None:
    assert caller.get("/api/visitors", algo="sha256").status_code == 400


def test_what_is_not_there_is_not_found_in_json(caller: Caller) -> None:
    assert caller.get("/api/nothing").json().keys() == {"error"}
    assert caller.opt_out(params={}).status_code == 401
    assert caller.get("/opt_outs/new").status_code == 405


def test_the_documented_oddities_are_there(caller: Caller) -> None:
    products = caller.json("/api/products", date=days_ago(60))
    assert all(product["url"].startswith("<https://") and product["url"].endswith(">") for product in products)
    assert any(product["year"] == "unknown" for product in products)
    assert {type(product["year"]) for product in products} == {str}
    assert any("trim" not in product for product in products)
    assert any("mileage" in product for product in products)
    locations = caller.json("/api/locations", date=days_ago(60))
    assert any("carrier_route" in location for location in locations)
    assert all(location["state"].islower() and len(location["zip"]) == 5 for location in locations)
    assert any("model" not in audience for audience in caller.json("/api/audiences"))


def test_the_visitors_count_differs_from_the_identifiers(caller: Caller) -> None:
    groups = caller.json("/api/audience_groups")
    identifiers = [len(caller.json(f"/api/audience_groups/{group['id']}")) for group in groups]
    assert [group["visitors_count"] for group in groups] != identifiers


def test_large_answers_of_different_windows_and_moments_differ() -> None:
    site = SandboxWebsite("large", 20_000)
    with SandboxServer([site], now=frozen(NOW)) as server:
        caller = Caller(server, site)
        for _ in range(2):
            for since, algo in ((days_ago(1), "sha2"), (days_ago(2), "sha2"), (days_ago(2), "md5")):
                answer = caller.json("/api/visitors", date=since, algo=algo)
                assert answer == WORLD.visitors(site, since, NOW, algo)  # type: ignore[arg-type]
        later = NOW + dt.timedelta(minutes=30)
        server.now = frozen(later)
        moved = caller.json("/api/visitors", date=days_ago(1), algo="sha2")
        assert moved == WORLD.visitors(site, days_ago(1), later, "sha2")


def test_the_clock_can_be_moved_while_it_runs(server: SandboxServer, caller: Caller) -> None:
    before = caller.json("/api/visitors", date=TODAY)
    server.now = frozen(NOW + dt.timedelta(hours=12))
    assert set(caller.json("/api/visitors", date=TODAY)) > set(before)


def column(name: str, kind: Any, **more: Any) -> Column:
    return Column(name=name, type=kind, description="A column.", **more)


def row(name: str, path: str, columns: tuple[Column, ...], **more: Any) -> Endpoint:
    defaults: dict[str, Any] = {"answer": "objects", "dated": True, "hashed": False}
    return Endpoint(name=name, path=path, section="None", description="A row.", columns=columns, **(defaults | more))


COUPONS = row(
    "coupons",
    "/api/coupons",
    (
        column("id", "int64", key=True),
        column("price", "float64"),
        column("until", "timestamp", path=("validity", "until")),
        column("since", "timestamp", path=("validity", "since")),
        column("tags", "list<string>"),
        column("year", "int16", quoted=True),
    ),
)
REDEEMERS = row(
    "redeemers",
    "/api/coupons/{id}",
    (column("coupon_id", "int64", key=True), column("hashed_email", "string", key=True)),
    answer="hashes",
    hashed=True,
    ids=Ids(endpoint="coupons", column="coupon_id", from_partition=False),
)
PROFILE = row("profile", "/api/profile", (column("name", "string"), column("home", "url")), answer=one_object)


def numbered(answer: object) -> list[Record]:
    """A row's own reading, of an array."""
    if not isinstance(answer, list):
        raise ResponseShapeError(expected="an array", found=answer)
    return answer


STEPS = row("steps", "/api/steps", (column("name", "string"),), answer=numbered)


def test_rows_added_to_the_table_are_served() -> None:
    with SandboxServer(SITES, endpoints=(*ENDPOINTS, COUPONS, REDEEMERS, PROFILE, STEPS), now=frozen(NOW)) as server:
        caller = Caller(server, SITE)
        coupons = caller.json("/api/coupons")
        assert coupons == caller.json("/api/coupons")
        assert all(set(coupon) == {"id", "price", "validity", "tags", "year"} for coupon in coupons)
        assert all(set(coupon["validity"]) == {"until", "since"} for coupon in coupons)
        assert {type(coupon["year"]) for coupon in coupons} == {str}
        members = caller.json(f"/api/coupons/{coupons[0]['id']}", algo="sha2", date=days_ago(9))
        assert set(members) <= set(WORLD.visitors(SITE, days_ago(9), NOW, "sha2"))
        assert caller.get("/api/coupons/1").status_code == 404
        assert set(caller.json("/api/profile")) == {"name", "home"}
        assert len(caller.json("/api/steps")) >= 3


def test_a_row_that_is_not_in_the_table_is_not_served(caller: Caller) -> None:
    assert caller.get(COUPONS.path).status_code == 404


def test_side_by_side_requests_are_answered_alike(server: SandboxServer) -> None:
    def ask(site_number: int) -> list[str]:
        site = SITES[site_number % 2]
        query = {"token": site.token, "secret": site.secret}
        answer: list[str] = requests.get(f"{server.url}/api/visitors", query, timeout=30).json()
        return answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(40)))
    assert all(answer == answers[number % 2] for number, answer in enumerate(answers))
    assert answers[0] != answers[1]
