"""Dropped files: every form they come in, bad lines by their numbers, and batches that fit a URL."""

import contextlib
import hashlib
import itertools
import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.audiences.drop_files import DropError
from ignite_assets.audiences.ledger import Hashes
from ignite_assets.audiences.opt_outs import (
    Addresses,
    Person,
    Reject,
    batches,
    parameter,
    person,
    read_addresses,
    read_hashes,
    rejects_file,
)

ANN, BOB = "ann@example.com", "bob@example.org"


def people(read: Addresses) -> list[str]:
    return [one.address for one in read.people]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", f"{ANN}\n{BOB}\n"),
        ("a.txt", f"{ANN}\r\n\r\n  {BOB.upper()} "),
        ("a.txt", f"{ANN}\r{BOB}"),
        ("-", f"{ANN}\n{BOB}"),
        ("a.csv", f"{ANN}\n{BOB}\n"),
        ("a.csv", f"email\n{ANN}\n{BOB}\n"),
        ("A.CSV", f"Name,E-Mail Address,When\nAnn,{ANN},2026\nBob,{BOB},2026\n"),
        ("a.csv", f'"id";"E-mail"\n"1";"{ANN}"\n"2";"{BOB}"\n'),
        ("a.csv", f'note,email\n"two\nlines, really",{ANN}\nmy@handle,{BOB}\n'),
        ("a.csv", f"1,Ann,{ANN}\n2,Bob,{BOB}\n"),
        ("a.csv", f"email_status,email\nok,{ANN}\nok,{BOB}\n"),
        ("a.csv", f"customer_email,phone\n{ANN},1\n{BOB},2\n"),
        ("a.csv", f"email,mail\n{ANN},{BOB}\n"),
        ("a.csv", f"Name;Mailadresse\nAnn;{ANN}\nBob;{BOB}\n"),
        ("a.tsv", f"who\temail\nAnn\t{ANN}\nBob\t{BOB}\n"),
        ("a.json", json.dumps([ANN, BOB])),
        ("a.json", json.dumps([{"id": 1, "Email": ANN}, {"e-mail": BOB, "name": "Bob"}])),
        ("a.json", json.dumps([ANN, {"emailAddress": BOB}])),
    ],
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_addresses_are_found_in_every_form(name: str, text: str, mark: bytes) -> None:
    read = read_addresses(mark + text.encode(), name)
    assert people(read) == [ANN, BOB]
    assert read.rejects == ()


def test_a_bad_line_is_told_by_its_number_and_stops_no_other() -> None:
    read = read_addresses(f"{ANN}\nnobody\n\n{BOB}\nx@y\n".encode() + b"caf\xe9@example.com\n", "a.txt")
    assert people(read) == [ANN, BOB]
    assert read.rejects == (
        Reject(line=2, reason="not an e-mail address"),
        Reject(line=5, reason="not an e-mail address"),
        Reject(line=6, reason="not UTF-8"),
    )


def test_a_bad_row_is_told_by_the_line_where_it_begins() -> None:
    text = f'email,note\n{ANN},"a\nb"\nnobody,\n,empty\n"open,\n{BOB},\n'
    read = read_addresses(text.encode(), "a.csv")
    assert people(read) == [ANN, BOB]
    assert [(reject.line, reject.reason) for reject in read.rejects] == [
        (4, "not an e-mail address"),
        (5, "no address"),
        (6, "not CSV"),
    ]


def test_a_bad_entry_is_told_by_its_number() -> None:
    read = read_addresses(json.dumps([ANN, 5, None, {"name": "x"}, {"email": 7}, "x", BOB]).encode(), "a.json")
    assert people(read) == [ANN, BOB]
    assert [reject.line for reject in read.rejects] == [2, 3, 4, 5, 6]


def test_a_person_who_is_named_twice_counts_once() -> None:
    assert people(read_addresses(f"{ANN}\n {ANN.upper()}\n".encode(), "a.txt")) == [ANN]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.json", b"[", "not JSON"),
        ("a.json", b"[" * 100_000, "not JSON"),
        ("a.json", b"{}", "expected an array, found an object"),
        ("a.txt", "ann@example.com".encode("utf-16"), "not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(DropError) as caught:
        read_addresses(data, name)
    assert str(caught.value) == reason
    assert caught.value.__context__ is None


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")))
def test_no_file_breaks_the_reader(data: bytes) -> None:
    for name in ("a.txt", "a.csv", "a.json"):
        for read in (read_addresses, read_hashes):
            with contextlib.suppress(DropError):
                read(data, name)


@given(st.lists(st.sampled_from([ANN, BOB, "nobody", 'a"b', "", '"open', "x,y", "café@example.com"]), max_size=8))
def test_no_line_is_lost_without_a_word(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    read = read_addresses(text.encode(), "a.txt")
    told = {reject.line for reject in read.rejects}
    for number, line in enumerate(lines, 1):
        assert not line or line in people(read) or number in told


@pytest.mark.parametrize(
    "text", ["", "ann", "@example.com", "ann@", "a b@example.com", "Ann <ann@example.com>", "\ud800"]
)
def test_what_is_no_address_is_nobody(text: str) -> None:
    assert person(text) is None


@pytest.mark.parametrize(
    "text", [" Ann@Example.COM\t", "\ufeffann@example.com", "ann@example.com\u200b\u00a0", "<ann@example.com>;"]
)
def test_an_address_is_trimmed_and_in_lower_case(text: str) -> None:
    found = person(text)
    assert found is not None
    assert found.address == ANN


def test_a_person_has_the_three_hashes() -> None:
    raw = ANN.encode()
    assert Person(ANN).hashes == Hashes(
        md5=hashlib.md5(raw).hexdigest(), sha1=hashlib.sha1(raw).hexdigest(), sha256=hashlib.sha256(raw).hexdigest()
    )


def test_nothing_shows_an_address_or_a_hash() -> None:
    read = read_addresses(f"{ANN}\nbad line here\n".encode(), "a.txt")
    shown = f"{read!r} {read.people[0]} {read.people[0].hashes!r} {rejects_file(read.rejects)!r}"
    assert "ann" not in shown.lower()
    assert "bad line" not in shown
    assert read.people[0].hashes.sha256 not in shown
    assert rejects_file(read.rejects) == b'line,reason\n2,"not an e-mail address"\n'


def test_the_source_is_known_by_its_hash() -> None:
    assert read_addresses(b"x", "a.txt").source_hash == hashlib.sha256(b"x").hexdigest()


ADDRESS = st.from_regex(r"[a-z0-9+'ü]{1,40}@example\.com", fullmatch=True)


@given(st.lists(ADDRESS, max_size=60), st.integers(0, 400))
def test_batches_hold_everyone_in_order_and_fit(addresses: list[str], room: int) -> None:
    made = list(batches(map(Person, addresses), room))
    assert [one.address for batch in made for one in batch] == addresses
    for batch in made:
        assert len(batch) == 1 or len(quote_plus(parameter(batch))) <= room
    for batch, after in itertools.pairwise(made):
        assert len(quote_plus(parameter([*batch, after[0]]))) > room


def test_a_batch_is_a_json_array() -> None:
    assert json.loads(parameter([Person(ANN), Person(BOB)])) == [ANN, BOB]


def test_hashes_are_told_apart_by_their_length() -> None:
    md5, sha1, sha256 = "0a" * 16, "0b" * 20, "0C" * 32
    text = f"hash\n{md5}\n {sha1}\n{sha256}\nabc\n{'g' * 64}\n{md5}\n"
    for name in ("a.csv", "a.json"):
        data = text.encode() if name == "a.csv" else json.dumps(text.split()[1:]).encode()
        read = read_hashes(data, name)
        assert read.people == (Hashes(md5=md5), Hashes(sha1=sha1), Hashes(sha256=sha256.lower()))
        assert len(read.rejects) == 2


def test_hashes_are_found_in_any_column() -> None:
    assert read_hashes(f"1,{'0a' * 16}\n2,{'0b' * 20}\n".encode(), "a.csv").people == (
        Hashes(md5="0a" * 16),
        Hashes(sha1="0b" * 20),
    )
