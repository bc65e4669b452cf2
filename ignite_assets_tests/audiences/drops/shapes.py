"""Files of opt-outs as people have them, and what is to happen with each: the table of docs/opt-outs.md."""

import gzip
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

ANN, BOB, CAT, REP = "ann@example.com", "bob@example.org", "cat@example.net", "rep@dealer.example.com"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A file, and the people in it by what happens to them."""

    says: str
    """What the file is, in words."""
    name: str
    data: bytes
    suppressed: tuple[str, ...] = (ANN, BOB)
    submitted: tuple[str, ...] = (ANN, BOB)
    kept: str = ""
    """What is left for a person to look at: `lines`, `the file` or nothing."""

    def __str__(self) -> str:
        return self.says


def _shape(says: str, name: str, data: str | bytes, **told: object) -> Shape:
    raw = data if isinstance(data, bytes) else data.encode()
    return Shape(says=says, name=name, data=raw, **told)  # type: ignore[arg-type]  # each caller names fields


def workbook(*rows: tuple[str, ...], links: Mapping[str, str] | None = None) -> bytes:
    """The smallest workbook with these rows; `links`: by cell, the address that stands behind it."""
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row) + "</row>" for row in rows
    )
    numbered = list(enumerate((links or {}).items()))
    tags = "".join(f'<hyperlink ref="{cell}" r:id="l{at}"/>' for at, (cell, _) in numbered)
    tags = tags and f"<hyperlinks>{tags}</hyperlinks>"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    targets = "".join(
        f'<Relationship Id="l{at}" Type="{office}/hyperlink" Target="mailto:{to}" TargetMode="External"/>'
        for at, (_, to) in numbered
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>',  # noqa: E501 - one element
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="a" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',  # noqa: E501 - one element
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="S" sheetId="1" r:id="b"/></sheets></workbook>',  # noqa: E501 - one element
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="b" Type="{office}/worksheet" Target="worksheets/s.xml"/></Relationships>',  # noqa: E501 - one element
        "xl/worksheets/s.xml": f'<worksheet xmlns="{main}" xmlns:r="{office}"><sheetData>{cells}</sheetData>{tags}</worksheet>',  # noqa: E501 - one element
        "xl/worksheets/_rels/s.xml.rels": f'<Relationships xmlns="{package}/relationships">{targets}</Relationships>',
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, text in parts.items():
            made.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return file.getvalue()


ALL, BOTH, ONE = (ANN, BOB, REP), (ANN, BOB), (ANN,)
SHAPES = (
    _shape("one address a line", "a.txt", f"{ANN}\r\n\r\n  {BOB.upper()} "),
    _shape("CSV with a header", "a.csv", f"Name,E-Mail Address\nAnn,{ANN}\nBob,{BOB}\n"),
    _shape("a table in a `.txt`", "a.txt", f"Email,Name\n{ANN},Ann\n{BOB},Bob\n"),
    _shape("a recipient beside a sender", "a.csv", f"Recipient,Sender Email,Reason\n{ANN},{REP},x\n{BOB},{REP},y\n", suppressed=ALL),  # noqa: E501 - a row of the table
    _shape("a customer beside a salesperson", "a.csv", f"Customer Email,Salesperson Email\n{ANN},{REP}\n{BOB},{REP}\n", suppressed=ALL),  # noqa: E501 - a row of the table
    _shape("a contact beside an account owner", "a.csv", f"Contact: Email,Account Owner: Email\n{ANN},{REP}\n{BOB},{REP}\n", suppressed=ALL),  # noqa: E501 - a row of the table
    _shape("a German customer beside an adviser", "a.csv", f"Kunden-Mail;Verkaufsberater\n{ANN};{REP}\n{BOB};{REP}\n", suppressed=ALL),  # noqa: E501 - a row of the table
    _shape("a Dutch address beside a salesperson", "a.csv", f"E-mailadres;E-mail verkoper\n{ANN};{REP}\n{BOB};{REP}\n", suppressed=ALL),  # noqa: E501 - a row of the table
    _shape("JSON with `contact_email` and `owner_email`", "a.json", json.dumps([{"contact_email": each, "owner_email": REP} for each in BOTH]), suppressed=ALL),  # noqa: E501 - a row of the table
    _shape("several columns that may be the person's", "a.csv", f"Email,Customer Email\n{ANN},{BOB}\n", submitted=(), kept="the file"),  # noqa: E501 - a row of the table
    _shape("two columns without a header", "a.csv", f"{ANN},{REP}\n{BOB},{REP}\n", suppressed=ALL, submitted=(), kept="the file"),  # noqa: E501 - a row of the table
    _shape("only a column of owners", "a.csv", f"Owner Email\n{REP}\n", suppressed=(REP,), submitted=(), kept="the file"),  # noqa: E501 - a row of the table
    _shape("`Email` and `Email 2`", "a.csv", f"Email,Email 2\n{ANN},{BOB}\n"),
    _shape("several addresses in a cell", "a.csv", f"Email,Additional email addresses\n{ANN},{BOB}; {CAT}\n", suppressed=(ANN, BOB, CAT), submitted=(ANN, BOB, CAT)),  # noqa: E501 - a row of the table
    _shape("the same JSON key twice", "a.json", f'[{{"email": "{ANN}", "email": "{BOB}"}}]'),
    _shape("a `sep=;` line", "a.csv", f"sep=;\nEmail;Name\n{ANN};Ann\n{BOB};Bob\n"),
    _shape("a title and a date above the header", "a.csv", f"Unsubscribes, May\n2026-05-03\n\nName;Email\nAnn, Dr.;{ANN}\nBob;{BOB}\n"),  # noqa: E501 - a row of the table
    _shape("two exports in one file", "a.csv", f"Email,Name\n{ANN},Ann\n\nName,Owner,Email\nBob,{REP},{BOB}\n", suppressed=ALL),  # noqa: E501 - a row of the table
    _shape("stray quotes", "a.csv", f'Name,Email\n"Ann,{ANN}\nBob,{BOB}\n"Cat,{CAT}\n', suppressed=(ANN, BOB, CAT), submitted=(ANN, BOB, CAT)),  # noqa: E501 - a row of the table
    _shape("a status of 1 and 0", "a.csv", f"Email,Is Unsubscribed\n{ANN},1\n{BOB},0\n", suppressed=ONE, submitted=ONE),
    _shape("a status in words", "a.csv", f"Email,Status\n{ANN},unsubscribed\n{BOB},Subscribed\n", suppressed=ONE, submitted=ONE),  # noqa: E501 - a row of the table
    _shape("a log of events", "a.jsonl", "".join(f'{{"event":"{event}","email":"{who}"}}\n' for event, who in (("group_unsubscribe", ANN), ("resubscribe", BOB), ("open", CAT))), suppressed=(ANN, CAT), submitted=ONE, kept="lines"),  # noqa: E501 - a row of the table
    _shape("JSON with addresses as keys", "a.json", json.dumps({"people": {ANN: "unsubscribed", BOB: "subscribed"}}), suppressed=ONE, submitted=ONE),  # noqa: E501 - a row of the table
    _shape("a person with several lists, some unsubscribed", "a.json", json.dumps([{"email": BOB, "lists": [{"subscribed": False}, {"subscribed": True}]}, {"email": ANN, "lists": [{"subscribed": False}]}]), submitted=ONE, kept="lines"),  # noqa: E501 - a row of the table
    _shape("opted in: yes or no", "a.csv", f"Email,Opted in\n{ANN},no\n{BOB},yes\n", suppressed=ONE, submitted=ONE),
    _shape("a newsletter: yes or no", "a.csv", f"E-Mail;Newsletter\n{ANN};nein\n{BOB};ja\n", suppressed=ONE, submitted=ONE),  # noqa: E501 - a row of the table
    _shape("a date of opting out, not in every row", "a.csv", f"Email,Unsubscribed At\n{ANN},2026-11-01\n{BOB},\n", submitted=ONE, kept="lines"),  # noqa: E501 - a row of the table
    _shape("accepts marketing: yes or no", "a.csv", f"Email,Accepts Email Marketing\n{ANN},no\n{BOB},yes\n", suppressed=ONE, submitted=ONE),  # noqa: E501 - a row of the table
    _shape("a status of text messages or calls", "a.csv", f"Email,SMS Opt-In,Do Not Call\n{ANN},yes,no\n{BOB},no,yes\n"),  # noqa: E501 - a row of the table
    _shape("a column of yes and no that may be about mail", "a.csv", f"Email,Email Preference\n{ANN},no\n{BOB},yes\n", submitted=(), kept="the file"),  # noqa: E501 - a row of the table
    _shape("a status that contradicts itself", "a.csv", f"Email,Unsubscribed\n{ANN},1\n{BOB},subscribed\n", submitted=(), kept="the file"),  # noqa: E501 - a row of the table
    _shape("a status that isn't clear", "a.csv", f"Email,Unsubscribed\n{ANN},yes\n{BOB},\n", submitted=ONE, kept="lines"),  # noqa: E501 - a row of the table
    _shape("wrappers: names, `mailto:`, `'`, `=`, brackets", "a.txt", f"Ann <{ANN}>\nmailto:{ANN}\n'{ANN}\n={ANN}\n[{BOB}]\n{BOB}.\n"),  # noqa: E501 - a row of the table
    _shape("invisible characters, full-width forms", "a.txt", f"\u200b{ANN}\nｂｏｂ＠ｅｘａｍｐｌｅ．ｏｒｇ\n"),
    _shape("a sentence", "a.txt", f"{ANN}\nplease take off {BOB}\n", submitted=ONE, kept="lines"),
    _shape("an address inside a link", "a.txt", f"https://x.example/unsubscribe?email=ann%40example.com&by={BOB}\n", submitted=(), kept="lines"),  # noqa: E501 - a row of the table
    _shape("a line without an address", "a.txt", f"{ANN}\nnobody here\n{BOB}\n", kept="lines"),
    _shape("an Excel workbook", "a.xlsx", workbook(("Customer Email", "Owner"), (ANN, REP), (BOB, REP)), suppressed=ALL),  # noqa: E501 - a row of the table
    _shape("a link behind a name, in a workbook", "a.xlsx", workbook(("Email", "Owner"), ("Ann", "Rep"), (BOB, "Rep"), links={"A2": ANN, "B2": REP}), suppressed=ALL),  # noqa: E501 - a row of the table
    _shape("JSON Lines", "a.jsonl", f'{{"email": "{ANN}"}}\n{{"email": "{BOB}"}}\n'),
    _shape("an array of objects with `address`", "a.json", json.dumps([{"address": ANN}, {"address": BOB}])),
    _shape("a page of nested JSON", "a.json", json.dumps({"page": 1, "data": [{"attributes": {"email": ANN}}, {"attributes": {"email": BOB, "owner": {"email": REP}}}]}), suppressed=ALL),  # noqa: E501 - a row of the table
    _shape("a page of JSON:API with the users it includes", "a.json", json.dumps({"data": [{"attributes": {"email": ANN}}, {"attributes": {"email": BOB}}], "included": [{"attributes": {"email": REP}}]}), suppressed=ALL),  # noqa: E501 - a row of the table
    _shape("rows as JSON arrays", "a.json", json.dumps([["email", "owner"], [ANN, REP], [BOB, REP]]), suppressed=ALL),
    _shape("gzip", "a.csv.gz", gzip.compress(f"Email\n{ANN}\n{BOB}\n".encode(), mtime=0)),
    _shape("UTF-16", "a.csv", f"Email\n{ANN}\n{BOB}\n".encode("utf-16")),
    _shape("UTF-16 without a mark", "a.csv", f"Email\n{ANN}\n{BOB}\n".encode("utf-16-le")),
    _shape("JSON that is cut off", "a.json", f'[{{"email": "{ANN}"}}, {{', suppressed=ONE, submitted=(), kept="the file"),  # noqa: E501 - a row of the table
    _shape("text with NUL bytes", "a.csv", f"Email\n{ANN}\n\0\0{BOB}\n", submitted=(), kept="the file"),
    _shape("an e-mail, an address book, a web page", "a.eml", f"From: Ann <{ANN}>\nTo: {REP}\nSubject: off\n\n{BOB}\n", suppressed=ALL, submitted=(), kept="the file"),  # noqa: E501 - a row of the table
    _shape("an empty file", "a.csv", "\ufeff\n", suppressed=(), submitted=(), kept="the file"),
    _shape("a list of hashes among addresses", "a.txt", "ab" * 32, suppressed=(), submitted=(), kept="the file"),
    _shape("a PDF, a ZIP archive, a damaged workbook", "a.xlsx", b"%PDF-1.7", suppressed=(), submitted=(), kept="the file"),  # noqa: E501 - a row of the table
)  # fmt: skip


def as_markdown() -> str:
    """The table of the page."""
    rows = [
        f"| {shape.says} | {_people(shape.suppressed)} | {_people(shape.submitted)} | {shape.kept or '–'} |"
        for shape in SHAPES
    ]
    return "\n".join(["| file | suppressed | submitted | kept |", "|---|---|---|---|", *rows])


def _people(addresses: tuple[str, ...]) -> str:
    names = {ANN: "Ann", BOB: "Bob", CAT: "Cat", REP: "the representative"}
    return ", ".join(names[each] for each in addresses) or "–"
