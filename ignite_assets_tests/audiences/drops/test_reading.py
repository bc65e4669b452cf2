"""Dropped files: every shape of them, and what holds for all: nobody is lost, and no wrong person submitted."""

import contextlib
import csv
import gzip
import io
import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.audiences.drops.decoding import DropError
from ignite_assets.audiences.drops.digests import read_hashes
from ignite_assets.audiences.drops.reading import Reading, read_addresses
from ignite_assets_tests.audiences.drops.shapes import ANN, BOB, REP, SHAPES, Shape


def read(text: str | bytes, name: str = "a.csv", *columns: str) -> Reading:
    return read_addresses(text if isinstance(text, bytes) else text.encode(), name, columns)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_file_is_read_as_the_page_says(shape: Shape) -> None:
    try:
        found = read(shape.data, shape.name)
    except DropError:
        assert (shape.suppressed, shape.kept) == ((), "the file")
        return
    assert set(found.people) == set(shape.suppressed)
    assert set(found.submitted) == set(shape.submitted)
    assert bool(found.rejects) == (shape.kept == "lines")
    assert bool(found.doubts or found.refused) == (shape.kept == "the file")
    assert found.found == found.suppressed + found.rejected + found.left_out.total()


@pytest.mark.parametrize(
    ("header", "submitted"),
    [
        ("Email,Created By", ANN),
        ("Subscriber,From", ANN),
        ("Client courriel,Conseiller", ANN),
        ("Cliente,Correo del vendedor", ANN),
        ("klant,verkoper", ANN),
        ("E-Mail des Kunden,Ansprechpartner", ANN),
        ("Member E-mail,Regional Manager", ANN),
        ("customeremail,accountmanageremail", ANN),
        ("Email,Notes", ANN),
        ("Email,Dealer", ANN),
        ("Email,Assigned agent", ANN),
        ("Kundenberater,Kunde", REP),
        ("From,Email Address", REP),
    ],
)
def test_the_column_of_the_person_is_told_from_those_of_staff(header: str, submitted: str) -> None:
    found = read(f"{header}\n{ANN},{REP}\n")
    assert found.submitted == [submitted]
    assert set(found.people) == {ANN, REP}


@pytest.mark.parametrize("header", ["Location Email,Owner Email", "A,B", "Email,User Email", "Contact,Lead"])
def test_columns_among_which_nobody_can_choose_are_named_and_a_person_decides(header: str) -> None:
    first, second = header.split(",")
    text = f"{header}\n{ANN},{REP}\n"
    asked = read(text)
    assert asked.submitted == []
    assert first in asked.doubts[0] or "column 1" in asked.doubts[0]
    decided = read(text, "a.csv", second if header != "A,B" else "column 2")
    assert (decided.submitted, decided.doubts) == ([REP], [])


OTHERS: list[tuple[str | bytes, list[str]]] = [
    (f"Adresse e-mail du client;Propriétaire du compte\n{ANN};{REP}\n", [ANN]),
    (f"Correo del cliente;Correo del asesor comercial\n{ANN};{REP}\n", [ANN]),
    (f"Posta elettronica;Titolare\n{ANN};{REP}\n", [ANN]),
    (f"Ontvanger;Verzonden door\n{ANN};{REP}\n", [ANN]),
    (f"Endereço de e-mail;Proprietário\n{ANN};{REP}\n", [ANN]),
    (f"Adres e-mail sprzedawcy;Adres e-mail klienta\n{REP};{ANN}\n", [ANN]),
    (f"E-Mail;Händler\n{ANN};{REP}\n", [ANN]),
    (f"担当者メールアドレス,顧客メールアドレス\n{REP},{ANN}\n", [ANN]),
    (f"担当者メールアドレス,顧客メールアドレス\n{REP},{ANN}\n".encode("cp932"), [ANN]),
    (f"Verkäufer-E-Mail;E-Mail Käufer\n{REP};{ANN}\n".encode("cp1252"), [ANN]),
    (f"ï»¿Email,Owner Email\n{ANN},{REP}\n", [ANN]),
    (f"Email,,Name\n{ANN},{REP},Ann\n", [ANN]),
    (f"Email;Umsatz;Punkte\n{ANN};1.234,50;3,5\n{BOB};9,10;1,0\n", [ANN, BOB]),
    (f"Email^Owner\n{ANN}^{REP}\n", [ANN]),
    (f"Email\x01Owner\n{ANN}\x01{REP}\n", [ANN]),
    (f"E-Mail;Werbeeinwilligung\n{ANN};nein\n{BOB};ja\n", [ANN]),
    (f"E-mail;Wypisany\n{ANN};tak\n{BOB};nie\n", [ANN]),
    (f"メールアドレス,配信停止\n{ANN},はい\n{BOB},いいえ\n", [ANN]),
    (f"Email,Push Subscribed\n{ANN},yes\n", [ANN]),
    (f"Email,Do Not Email,Do Not Mail,Do Not Call\n{ANN},Yes,No,No\n{BOB},No,Yes,No\n", [ANN]),
    (gzip.compress(gzip.compress(f"Email\n{ANN}\n".encode(), mtime=0), mtime=0), [ANN]),
]


@pytest.mark.parametrize(("text", "submitted"), OTHERS, ids=map(str, range(len(OTHERS))))
def test_exports_of_other_makers_and_languages_submit_the_person_alone(text: str | bytes, submitted: list[str]) -> None:
    found = read(text)
    assert (found.submitted, found.doubts) == (submitted, [])
    assert REP in found.people or REP not in repr(text)


def test_a_mailbox_is_not_taken_for_the_people_who_write_to_it() -> None:
    assert read(f"From,To\n{ANN},{REP}\n{BOB},{REP}\n").submitted == []
    assert read(f"From,To\n{REP},{ANN}\n{REP},{BOB}\n").submitted == [ANN, BOB]


@pytest.mark.parametrize(
    ("cell", "also"),
    [
        ("a.nn+news@gmail.com", {"ann@gmail.com", "ann@googlemail.com", "a.nn@gmail.com"}),
        ("ann@bücher.example.com", {"ann@xn--bcher-kva.example.com"}),
        ("ann@xn--bcher-kva.example.com", {"ann@bücher.example.com"}),
        ("'ann@example.com", {"'ann@example.com"}),
        ("+ann@example.com", {"+ann@example.com"}),
        ("ann@example.com.", {"ann@example.com."}),
        ("jose\u0301@example.com", set()),
    ],
)
def test_an_address_is_suppressed_in_every_spelling(cell: str, also: set[str]) -> None:
    found = read(f"Email\n{cell}\n")
    (address,) = found.people
    assert also <= {address, *found.forms(address)}


def test_an_address_that_validators_dislike_is_suppressed() -> None:
    found = read("Email\na..b@docomo.ne.jp\nann@exa_mple.com\n")
    assert list(found.people) == ["a..b@docomo.ne.jp", "ann@exa_mple.com"]
    assert "ann@exa_mple.com" not in found.submitted


def test_rejected_lines_are_told_by_place_and_reason_with_their_content() -> None:
    found = read(f"{ANN}\nnobody\n\n{BOB}\nx@y\n".encode() + b"caf\xe9@example.com\n", "a.txt")
    assert list(found.people) == [ANN, BOB]
    assert [(each.line, each.reason, each.content) for each in found.rejects] == [
        (2, "not an e-mail address", "nobody"),
        (5, "not an e-mail address", "x@y"),
        (6, "not UTF-8", "caf\udce9@example.com"),
    ]
    assert found.rejected == 1


def test_a_list_of_subscribers_suppresses_nobody_and_is_not_done() -> None:
    found = read(f"Email,Subscribed\n{ANN},yes\n{BOB},yes\n")
    assert (list(found.people), found.doubts) == ([], ["every row says subscribed"])


def test_nothing_shows_an_address() -> None:
    found = read(f"{ANN}\nbad {BOB} line\n", "a.txt")
    assert not re.search("ann@|bob@|bad b", f"{found!r} {found.rejects!r}")


def test_a_column_that_is_asked_for_must_be_there() -> None:
    with pytest.raises(DropError, match="there is no column Nobody with addresses; there are: Email"):
        read_addresses(f"Email\n{ANN}\n".encode(), "a.csv", ["Nobody"], must_have=True)


# What holds for every file.

PERSON = st.integers(0, 10**6).map(lambda number: f"person{number}@example.com")
STAFF = st.integers(0, 9).map(lambda number: f"staff{number}@dealer.example.com")
WRAPPED: list[Callable[[str], str]] = [
    str,
    str.upper,
    "Some One <{}>".format,
    "mailto:{}".format,
    " {} ".format,
    "'{}".format,
    "\u200b{}".format,
]
HEADERS = [("Email", "Owner Email"), ("Customer", "Sales Rep"), ("Recipient", "Sender"), ("Kunde", "Berater E-Mail")]
ROWS = st.lists(
    st.tuples(
        st.lists(PERSON, min_size=1, max_size=3), STAFF, st.sampled_from(["yes", "no", ""]), st.sampled_from(WRAPPED)
    ),
    min_size=1,
    max_size=8,
)
LOOKS = re.compile(r"[\w.]+@[\w.]+")


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, str]:
    """A table or JSON with a person's addresses, a decoy column, and perhaps a status, in an encoding."""
    rows, (mine, theirs) = draw(ROWS), draw(st.sampled_from(HEADERS))
    status = draw(st.booleans())
    order = draw(st.permutations(range(3 if status else 2)))
    cells = [
        [f"{'; ' if draw(st.booleans()) else ' , '}".join(map(wrap, people)), staff, said][: len(order)]
        for people, staff, said, wrap in rows
    ]
    names = [mine, theirs, "Is Unsubscribed"]
    if draw(st.booleans()):
        entries = [dict(zip(names, row, strict=False)) for row in cells]
        document = draw(st.sampled_from([entries, {"data": entries}, {"data": {"items": entries}}]))
        return json.dumps(document, ensure_ascii=draw(st.booleans())).encode(), "a.json"
    text = io.StringIO()
    text.write(draw(st.sampled_from(["", "Opt-outs of May\n\n", "\n"])))
    made = csv.writer(text, delimiter=draw(st.sampled_from(",;\t")))
    for row in [names[: len(order)], *cells]:
        made.writerow([row[at] for at in order])
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]))
    return text.getvalue().encode(encoding), draw(st.sampled_from(["a.csv", "a.txt"]))


@settings(max_examples=150)
@given(files())
def test_every_address_has_a_verdict_and_no_wrong_person_is_submitted(file: tuple[bytes, str]) -> None:
    data, name = file
    found = read(data, name)
    text = data.decode("utf-16") if data[:2] == b"\xff\xfe" else data.decode("utf-16-le" if b"\0" in data else "utf-8")
    everything = [each.lower() for each in LOOKS.findall(text.replace("\\u200b", ""))]
    assert found.refused is None
    assert found.found >= len(set(everything))
    assert found.found == found.suppressed + found.rejected + found.left_out.total()
    assert found.left_out or set(everything) == set(found.people)
    assert not any(each.startswith("staff") for each in found.submitted)
    assert set(found.submitted) <= set(found.people)


@settings(max_examples=100)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")))
def test_no_file_breaks_the_reader(data: bytes) -> None:
    for name in ("a.txt", "a.json", "a.jsonl", "a.xlsx"):
        for reader in (read_addresses, read_hashes):
            with contextlib.suppress(DropError):
                reader(data, name)


PIECES = st.sampled_from(
    [ANN, BOB, "nobody", 'a"b', "", '"open', "x,y", "café@example.com", f"to {ANN}", "Email", "Email,Name"]
)


@given(st.lists(PIECES, max_size=8))
def test_no_address_is_lost_whatever_stands_around_it(lines: list[str]) -> None:
    found = read("".join(f"{line}\n" for line in [*lines, "end"]), "a.csv")
    wanted = {each.lower() for line in lines for each in re.findall(r"[\w.]+@[\w.]+", line)}
    assert wanted == set(found.people)
