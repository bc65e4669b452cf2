"""A verdict for each address of a dropped file: suppressed, rejected by its place, or left out by a named rule.

The three add up to what was found. Of the suppressed, those are submitted that are without doubt the person's who
opted out; `Reading.doubts` says why none is. Two passes over the rows: the first learns what the columns hold.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from ignite_assets.audiences.drops import addresses, digests, documents, tables, workbooks
from ignite_assets.audiences.drops.addresses import FoundAddresses, Token
from ignite_assets.audiences.drops.decoding import Content, DropError, decode
from ignite_assets.audiences.drops.survey import Survey, columns_of, decide, missing, survey
from ignite_assets.audiences.drops.tables import DroppedRow, DroppedTable, Reject

SUBSCRIBED = "their row says subscribed"
"""The rule by which addresses are left out."""


@dataclass(kw_only=True, repr=False)
class Reading:
    """What a file holds."""

    source_hash: str
    """SHA-256 of the file."""
    suppressed: int = 0
    """Each time that an address stands there, as in the other counts."""
    rejected: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """By the rule."""
    rejects: list[Reject] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    """Why nothing is submitted, though people are suppressed: columns by name, never a value."""
    refused: str | None = None
    """Why the file can't be read as what it seems; addresses in it are suppressed nevertheless."""
    _people: dict[str, bool] = field(default_factory=dict)
    """Whether they may be submitted."""
    _subscribed: set[str] = field(default_factory=set)
    _given: dict[str, set[str]] = field(default_factory=dict)

    @property
    def found(self) -> int:
        """How much looks like an address."""
        return self.suppressed + self.rejected + sum(self.left_out.values())

    @property
    def people(self) -> Collection[str]:
        """Every suppressed address once, in the order of the file."""
        return self._people.keys()

    @property
    def submitted(self) -> list[str]:
        """The addresses to submit, each once, in the order of the file."""
        if self.doubts or self.refused:
            return []
        return [each for each, sure in self._people.items() if sure and each not in self._subscribed]

    def forms(self, address: str) -> list[str]:
        """The other spellings of an address, which are suppressed with it."""
        given = self._given.get(address)
        if not given and addresses.is_simple(address):
            return []
        return sorted({form for each in given or {""} for form in addresses.forms(address, each)})

    def suppress(self, token: Token, *, submit: bool) -> None:
        """Take in an address."""
        self.suppressed += 1
        self._people[token.address] = submit or self._people.get(token.address, False)
        if token.given:
            self._given.setdefault(token.address, set()).add(token.given)

    def leave_out(self, token: Token) -> None:
        """Leave out an address of somebody who is subscribed; should another row suppress it, it isn't submitted."""
        self.left_out[SUBSCRIBED] += 1
        self._subscribed.add(token.address)

    def reject(self, row: DroppedRow, reason: str) -> None:
        """Put a row aside for a person to look at."""
        self.rejects.append(Reject(line=row.place, reason=reason, content=row.raw))


def read_addresses(data: bytes, name: str, columns: Collection[str] = (), *, must_have: bool = False) -> Reading:
    """The addresses of a dropped file; `columns`: names of those that hold the person's, where a person chose.

    Raises `DropError` for a file that is neither text nor a workbook; and, if it `must_have` the columns, for one
    without them.
    """
    content = decode(data, name)
    reading = Reading(source_hash=hashlib.sha256(data).hexdigest())
    refused, surveys = content.refused, list[Survey]()
    if refused:
        return _scanned(content, reading.source_hash, refused)
    try:
        surveys = survey(_rows(content))
        reading.doubts += decide(surveys, columns)
        _judge_all(reading, content, surveys)
    except DropError as error:
        refused = str(error)
    if refused:
        return _scanned(content, reading.source_hash, refused)
    if must_have:
        _check(surveys, columns)
    if not reading.found and reading.rejects and digests.holds_hashes(content):
        raise DropError("a list of hashes, not of addresses: drop it into the folder for hashes, or use --hashes")
    if not reading.suppressed and reading.left_out:
        reading.doubts.append("every row says subscribed")
    return reading


def _check(surveys: list[Survey], columns: Collection[str]) -> None:
    lacking, there = missing(surveys, columns)
    if lacking:
        named = ", ".join(there) or "none"
        raise DropError(f"there is no column {', '.join(lacking)} with addresses; there are: {named}")


def _rows(content: Content) -> Iterator[DroppedRow]:
    if content.encoding is None:
        return workbooks.read(content.data)
    suffix = content.name.rpartition(".")[2]
    if suffix in ("jsonl", "ndjson"):
        return documents.read_lines(content.lines())
    head = content.head()
    if suffix != "json" and not documents.looks_like_json(head):
        return tables.read(content.lines())
    if documents.is_json_lines(head):
        return documents.read_lines(content.lines())
    if suffix != "json" and not documents.begins_well(head):
        return tables.read(content.lines())
    return documents.read(content.text())


def _scanned(content: Content, source_hash: str, refused: str) -> Reading:
    """What a text holds that isn't what it seems: every address is suppressed, none submitted, the file stays."""
    reading = Reading(source_hash=source_hash, refused=refused)
    for line in content.lines() if content.encoding else ():
        for token in addresses.find(line.replace("=40", "@")).tokens:
            _take(reading, token, submit=False)
    return reading


def _judge_all(reading: Reading, content: Content, surveys: list[Survey]) -> None:
    tables_met: dict[DroppedTable, Survey] = {}
    following = iter(surveys)
    for row in _rows(content):
        if row.table not in tables_met:
            tables_met[row.table] = next(following)
        _judge(reading, row, tables_met[row.table])


def _judge(reading: Reading, row: DroppedRow, told: Survey) -> None:
    """Give each address of a row its verdict, and put the row aside where a person has to look at it."""
    found = [(at, cell, addresses.find(cell)) for at, cell in columns_of(row) if cell and not cell.isspace()]
    said = told.says(row)
    if said == "in":
        for token in (token for _, _, each in found for token in each.tokens):
            reading.leave_out(token)
        return
    whole = row.aligned and said in (None, "out") and not told.preamble
    reasons: list[str] = []
    for at, _, each in found:
        mine = whole and at in told.submitted
        for token in each.tokens:
            if at in told.subscribed:
                reading.leave_out(token)
            else:
                why = _take(reading, token, submit=mine and each.alone and token.well_formed)
                reasons += filter(None, [why or (_not_sure(token, each) if mine else None)])
    if reasons := reasons or list(_missing(row, told, found, said)):
        reading.reject(row, reasons[0])


def _take(reading: Reading, token: Token, *, submit: bool) -> str | None:
    """Suppress an address, or count it as rejected and say why."""
    if token.trouble:
        reading.rejected += 1
    else:
        reading.suppress(token, submit=submit)
    return token.trouble


def _not_sure(token: Token, found: FoundAddresses) -> str | None:
    if not found.alone:
        return "an address in a sentence: suppressed, not submitted"
    return None if token.well_formed else "an unusual address: suppressed, not submitted"


def _missing(
    row: DroppedRow, told: Survey, found: list[tuple[int, str, FoundAddresses]], said: str | None
) -> Iterator[str]:
    """Why a row can't be dealt with though nothing is wrong with its addresses."""
    if not found or told.preamble:
        return
    if not any(each.tokens for _, _, each in found):
        if not tables.is_footer(row):
            garbled = any(at in told.submitted or not told.table.names for at, _, _ in found)
            yield "not an e-mail address" if garbled else "no address"
    elif not row.aligned:
        yield "more cells than columns: suppressed, not submitted"
    elif said == "unclear":
        yield "its status isn't clear: suppressed, not submitted"
    elif told.submitted and said != "neither":
        mine = [each for at, _, each in found if at in told.submitted]
        if not any(each.tokens for each in mine):
            yield "no address of the person: suppressed, not submitted"
        elif not all(each.tokens for each in mine):
            yield "not an e-mail address"
