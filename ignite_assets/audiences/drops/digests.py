"""Lists of hashes: MD5, SHA-1 and SHA-256 in hexadecimal or base64, with or without a prefix.

California's deletion lists are `ID,Hash` with the base64 of SHA-256. A hash of a phone number or of an id is no person.
"""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ignite_assets.audiences.drops import addresses, columns, documents, tables, workbooks
from ignite_assets.audiences.drops.columns import word_set, words
from ignite_assets.audiences.drops.decoding import Content, DropError, decode
from ignite_assets.audiences.drops.survey import columns_of
from ignite_assets.audiences.drops.tables import DroppedRow, DroppedTable, Reject
from ignite_assets.audiences.ledger import Hashes

ALGORITHMS: Mapping[int, str] = {16: "md5", 20: "sha1", 32: "sha256"}
"""By the bytes of a digest."""

_DIGEST = re.compile(
    r"(?<![\w+/=])(?:\{?(?P<said>md5|sha-?1|sha-?2(?:56)?)\}?\s*[:=$]?\s*)?"
    r"(?:0x)?(?P<hex>[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![\w+/=])"
    r"|(?<![\w+/=])(?:\{?(?P<said64>md5|sha-?1|sha-?2(?:56)?)\}?\s*[:=$]?\s*)?"
    r"(?P<base64>[\w+/-]{43}=?|[\w+/-]{27}=|[\w+/-]{22}==)(?![\w+/=])",
    re.IGNORECASE | re.ASCII,
)
_SAID = {"md5": "md5", "sha1": "sha1", "sha2": "sha256", "sha256": "sha256"}
_HASH_WORDS = word_set("hash hashes hashed md5 sha sha1 sha2 sha256 digest hem em identifier")
_NOT_PEOPLE = word_set("""
    phone mobile telephone telefon tel cell sms id uuid guid device maid idfa gaid ip name names firstname lastname
    ph msisdn fn ln madid
    first last zip postcode address street household file checksum transaction order session cookie request
""")


@dataclass(kw_only=True, repr=False)
class HashList:
    """What a file of hashes holds: each person once, in the order of the file. Suppressed, never submitted."""

    people: tuple[Hashes, ...]
    rejects: tuple[Reject, ...]
    source_hash: str
    """SHA-256 of the file."""
    left_out: int
    """Hashes of phone numbers, ids and the like."""

    @property
    def by_algorithm(self) -> Counter[str]:
        """How many people are known by a hash of each algorithm."""
        return Counter(name for person in self.people for name, value in person._asdict().items() if value)


def read_hashes(data: bytes, name: str) -> HashList:
    """The hashes of a dropped file. Raises `DropError` for one that can't be read, or is a list of addresses."""
    content = decode(data, name)
    if content.refused:
        raise DropError(content.refused)
    bearing: dict[DroppedTable, Counter[int]] = {}
    for row in _rows(content):
        counts = bearing.setdefault(row.table, Counter())
        counts.update(at for at, cell in columns_of(row) if _DIGEST.search(cell))
    mine = [_of_people(table, counts) for table, counts in bearing.items()]
    people: dict[Hashes, None] = {}
    rejects, left_out, met = [], 0, dict[DroppedTable, frozenset[int]]()
    for row in _rows(content):
        columns_here = met.setdefault(row.table, mine[len(met)] if row.table not in met else frozenset())
        found = [(at, _digests(cell)) for at, cell in columns_of(row)]
        wanted = [each for at, digests in found if at in columns_here for each in digests]
        left_out += sum(len(digests) for at, digests in found if at not in columns_here)
        people |= dict.fromkeys(_as_people(wanted))
        if not wanted and any(cell.strip() for cell in row.cells) and not tables.is_footer(row):
            rejects.append(Reject(line=row.place, reason="not an MD5, SHA-1 or SHA-256", content=row.raw))
    if rejects and not people and content.encoding and any(addresses.find(each.content).tokens for each in rejects):
        raise DropError("a list of addresses, not of hashes: drop it beside the folder for hashes")
    source_hash = hashlib.sha256(data).hexdigest()
    return HashList(people=tuple(people), rejects=tuple(rejects), source_hash=source_hash, left_out=left_out)


def holds_hashes(content: Content) -> bool:
    """Whether a file without an address is a list of hashes."""
    try:
        return any(_digests(cell) for row in _rows(content) for cell in row.cells)
    except DropError:
        return False


def _rows(content: Content) -> Iterator[DroppedRow]:
    if content.encoding is None:
        return workbooks.read(content.data, _DIGEST.search, _is_header)
    head = content.head()
    if documents.is_json_lines(head):
        return documents.read_lines(content.lines())
    if documents.begins_well(head) or content.name.endswith(".json"):
        return documents.read(content.text())
    return tables.read(content.lines(), _DIGEST.search, _is_header)


def _is_header(cells: list[str]) -> bool:
    return "@" not in "".join(cells) and any(
        set(words(cell)) & (_HASH_WORDS | _NOT_PEOPLE) or columns.column(cell).says_mail for cell in cells
    )


def _of_people(table: DroppedTable, bearing: Counter[int]) -> frozenset[int]:
    """The columns of people's hashes: those that say e-mail, else those that say hash, else all but ids and phones."""
    found = frozenset(bearing)
    mail = frozenset(at for at in found if columns.column(table.name(at)).says_mail and table.names)
    if mail:
        return mail
    other = frozenset(at for at in found if set(words(table.name(at))) & _NOT_PEOPLE)
    return found - other


def _digests(cell: str) -> list[tuple[str, str]]:
    """The digests of a cell, as algorithm and hexadecimal."""
    found = []
    for match in _DIGEST.finditer(cell):
        raw = bytes.fromhex(match["hex"]) if match["hex"] else _decoded(match["base64"])
        said = _SAID.get((match["said"] or match["said64"] or "").lower().replace("-", ""))
        algorithm = ALGORITHMS[len(raw)]
        if said in (None, algorithm):
            found.append((algorithm, raw.hex()))
    return found


def _decoded(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def _as_people(digests: list[tuple[str, str]]) -> Iterator[Hashes]:
    """One person of different algorithms; several of the same."""
    if len({algorithm for algorithm, _ in digests}) == len(digests) and digests:
        yield Hashes(**dict(digests))
    else:
        yield from (Hashes(**{algorithm: value}) for algorithm, value in digests)
