"""Each destination byte for byte, as its documentation has it, and what a preflight refuses."""

import base64
import dataclasses
import hashlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.api.table import Algo
from ignite_assets.audiences.destinations import DESTINATIONS, Action, ListFacts, by_name
from ignite_assets.audiences.rendering import part_of, preflight, render, rows_per_file

ONE = "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514"  # user@example.com, in UID2's documentation
TWO = "f25ad364d33972379a7a4f4df33db142205f5c40eb19cfdb2fc5aaf117e10101"  # in Microsoft's
FACTS = ListFacts(name="used-suv acme-honda", algo="sha2")
MICROSOFT_HEADER = (
    "Type,Status,Id,Parent Id,Client Id,Modified Time,Name,Description,Scope,Audience,Action Type,Sub Type,Text,"
    "Membership Duration,Accept Customer Match Term"
)


def files(name: str, hashes: Iterable[str], action: Action = "add", facts: ListFacts = FACTS) -> list[bytes]:
    return [b"".join(pieces) for pieces in render(by_name()[name], facts, hashes, action)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("google_customer_match", f"Email\n{ONE}\n{TWO}\n"),
        ("meta_custom_audience", f"email\n{ONE}\n{TWO}\n"),
        ("tiktok_customer_file", f"Email_SHA256\n{ONE}\n{TWO}\n"),
        (
            "the_trade_desk_uid2",
            "tMmiiTI7IaAcPpQPFQ65uMVCWH8av9jw4cwf/F5HVRQ=\n8lrTZNM5cjeaek9N8z2xQiBfXEDrGc/bL8Wq8RfhAQE=\n",
        ),
        ("liveramp", f'"email1_SHA-256"\n"{ONE}"\n"{TWO}"\n'),
        ("x_audience", f"{ONE}\n{TWO}\n"),
        ("plain_list", f"{ONE}\n{TWO}\n"),
    ],
)
@pytest.mark.parametrize("action", ["add", "remove", "replace"])
def test_a_file_is_what_the_destination_documents(name: str, expected: str, action: Action) -> None:
    assert files(name, [ONE, TWO], action) == [expected.encode()]


def test_the_hash_of_the_documented_address_is_the_documented_one() -> None:
    digest = hashlib.sha256(b"user@example.com").digest()
    assert digest.hex() == ONE
    assert files("the_trade_desk_uid2", [ONE]) == [base64.b64encode(digest) + b"\n"]


def test_a_new_microsoft_list_is_made_by_the_file_that_fills_it() -> None:
    assert files("microsoft_ads_bulk", [TWO]) == [
        (
            f"\ufeff{MICROSOFT_HEADER}\n"
            "Format Version,,,,,,6.0,,,,,,,,\n"
            "Customer List,Active,-10,,,,,,Customer,used-suv acme-honda,Add,,,180,True\n"
            f"Customer List Item,,,-10,,,,,,,,Email,{TWO},,\n"
        ).encode()
    ]


@pytest.mark.parametrize(("action", "written"), [("add", "Add"), ("remove", "Remove"), ("replace", "Replace")])
def test_a_microsoft_list_is_updated_by_its_id(action: Action, written: str) -> None:
    facts = dataclasses.replace(FACTS, platform_id="807", exists=True)
    assert files("microsoft_ads_bulk", [TWO], action, facts) == [
        (
            f"\ufeff{MICROSOFT_HEADER}\n"
            "Format Version,,,,,,6.0,,,,,,,,\n"
            f"Customer List,,807,,,,,,,used-suv acme-honda,{written},,,180,True\n"
            f"Customer List Item,,,807,,,,,,,,Email,{TWO},,\n"
        ).encode()
    ]


def test_people_leave_a_microsoft_list_without_an_id_by_rows_that_name_it_and_no_row_for_the_list() -> None:
    facts = dataclasses.replace(FACTS, exists=True)
    assert files("microsoft_ads_bulk", [TWO], "remove", facts) == [
        (
            f"\ufeff{MICROSOFT_HEADER}\n"
            "Format Version,,,,,,6.0,,,,,,,,\n"
            f"Customer List Item,,,,,,,,,used-suv acme-honda,Remove,Email,{TWO},,\n"
        ).encode()
    ]


@pytest.mark.parametrize(("algo", "column"), [("md5", "MD5"), ("sha1", "SHA-1"), ("sha2", "SHA-256")])
def test_the_liveramp_header_names_the_hash(algo: Algo, column: str) -> None:
    facts = dataclasses.replace(FACTS, algo=algo)
    assert files("liveramp", ["0a"], "add", facts) == [f'"email1_{column}"\n"0a"\n'.encode()]


def test_nobody_makes_no_file_unless_the_list_is_replaced_by_nobody() -> None:
    assert files("google_customer_match", [], "add") == []
    assert files("google_customer_match", [], "remove") == []
    assert files("google_customer_match", [], "replace") == [b"Email\n"]


def test_only_liveramp_and_a_plain_list_take_anything_but_sha_256() -> None:
    assert {row.name for row in DESTINATIONS if row.algos != ("sha2",)} == {"liveramp", "plain_list"}


def test_every_row_says_where_it_was_read_and_when() -> None:
    for row in DESTINATIONS:
        assert row.source
        assert row.read >= "2026-01"


def test_the_documented_figures_are_those_of_the_table() -> None:
    assert {row.name: row.min_members for row in DESTINATIONS} == {
        "google_customer_match": 100,
        "meta_custom_audience": 100,
        "tiktok_customer_file": 1_000,
        "microsoft_ads_bulk": 300,
        "the_trade_desk_uid2": 1_500,
        "liveramp": 25,
        "x_audience": 100,
        "plain_list": None,
    }
    assert by_name()["google_customer_match"].longest_membership_days == 540
    assert by_name()["tiktok_customer_file"].max_file_bytes == 999_999_999
    assert rows_per_file(by_name()["microsoft_ads_bulk"], FACTS, "add") == 952_378
    assert rows_per_file(by_name()["google_customer_match"], FACTS, "add") is None


@given(
    st.sampled_from(DESTINATIONS),
    st.integers(0, 40),
    st.integers(1, 7),
    st.sampled_from(["add", "remove", "replace"]),
    st.booleans(),
)
def test_files_stay_within_the_limits_and_hold_everyone_once(
    destination: object, count: int, most: int, action: Action, by_bytes: bool
) -> None:
    row = by_name()[destination.name]  # type: ignore[attr-defined]
    head = "".join(f"{line}\n" for line in row.head(FACTS, action)).encode()
    line = len(row.line(ONE, FACTS).encode()) + 1
    limit = len(head) + most * line + line // 2
    row = dataclasses.replace(
        row,
        max_file_bytes=limit if by_bytes else None,
        max_file_rows=None if by_bytes else most + len(row.head(FACTS, action)),
    )
    people = [f"{number:064x}" for number in range(count)]
    made = [b"".join(pieces) for pieces in render(row, FACTS, people, action)]
    assert all(len(data) <= limit for data in made)
    lines = [data.decode().splitlines()[len(row.head(FACTS, action)) :] for data in made]
    assert [one for part in lines for one in part] == [row.line(person, FACTS) for person in people]
    assert all(len(part) == most for part in lines[:-1])


def test_the_second_file_of_a_list_that_is_replaced_adds_to_the_first() -> None:
    row = dataclasses.replace(by_name()["microsoft_ads_bulk"], max_file_rows=4)
    made = [b"".join(pieces).decode() for pieces in render(row, FACTS, [ONE, TWO], "replace")]
    assert [data.splitlines()[2].split(",")[10] for data in made] == ["Replace", "Add"]
    assert [part_of("replace", 0), part_of("replace", 1), part_of("remove", 1)] == ["replace", "add", "remove"]


def test_a_preflight_says_what_the_platform_would_refuse() -> None:
    tiktok = by_name()["tiktok_customer_file"]
    assert preflight(tiktok, "sha2", "a" * 129) == []
    assert preflight(tiktok, "md5", "a") == ["TikTok Customer File takes sha2, the website is captured as md5"]
    assert preflight(by_name()["microsoft_ads_bulk"], "sha2", "a" * 129) == [
        "Microsoft Ads, bulk file takes list names of at most 128 characters"
    ]
