"""The addresses of a cell: without wrappers, in each form that a platform may have hashed, and whether it may be told.

Every address is suppressed in all its forms; only one that is beyond doubt and well-formed is submitted.
"""

import functools
import html
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ignite_assets.audiences.drops.columns import WORDS, listed, plain

LOOKS_LIKE = re.compile(r"[@\uff20\ufe6b]|%40|&(?:#0*64|#x0*40|commat);", re.IGNORECASE)
"""What a cell with an address has somewhere."""

_ATEXT = r"a-z0-9.!#$%&'*+/=?^_`{|}~-"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN = re.compile(rf"[a-z0-9_][a-z0-9_+.-]{{0,63}}@(?:{_LABEL}\.)+[a-z]{{2,63}}", re.IGNORECASE)
_COMMON = re.compile(rf"[{_ATEXT}]{{1,64}}@(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]+)")

_BREAKS = r"""\s<>()\[\]{},;:"|\\/“”„«»‹›"""
_RUN = re.compile(rf"[^{_BREAKS}]*@[^{_BREAKS}]*")
_DOMAIN = re.compile(r"[\w.-]+")
_INSIDE = re.compile(r"[?&=]")
_PIECE = re.compile(r"[\w.+'%-]+@[\w-]+(?:\.[\w-]+)+")
_AROUND = "'=+*`‘’‚´.-!?&#~^$%_"
_NAMED = re.compile(r"[^<>;,@]*<[^<>@]*@[^<>]*>|\([^()@]*\)")
_LABELS = re.compile(r"\b(?:mailto|smtp|e-?mails?|mail|address|hyperlink)\b\s*:?", re.IGNORECASE)
_PUNCTUATION = re.compile(rf"[{_BREAKS}'=+*.&‘’-]+")
_SOMEBODY_ELSE = frozenset(word for word in listed(WORDS["other"]) if len(word) > 3)
_NAME_WORDS = 4
_GMAIL = ("gmail.com", "googlemail.com")


@dataclass(frozen=True, kw_only=True, repr=False)
class Token:
    """What looks like an address."""

    address: str
    """Trimmed, in lower case, without wrappers; as it would be submitted."""
    given: str = ""
    """Another spelling that stood there."""
    trouble: str | None = None
    """Why it is no address after all."""

    @property
    def well_formed(self) -> bool:
        """Whether it may be submitted."""
        return not self.trouble and is_well_formed(self.address)


@dataclass(frozen=True, kw_only=True, repr=False)
class FoundAddresses:
    """The addresses of a cell."""

    tokens: tuple[Token, ...]
    alone: bool
    """Whether the cell holds nothing beside them but names, labels and separators, rather than a sentence."""


_NOTHING = FoundAddresses(tokens=(), alone=True)


def find(cell: str) -> FoundAddresses:
    """The addresses of a cell, each once."""
    if cell.isascii() and not ("@" in cell or "%" in cell or "&" in cell):
        return _NOTHING  # most cells of a wide table
    text = cell.strip()
    if _PLAIN.fullmatch(text) and "xn--" not in text:
        return FoundAddresses(tokens=(Token(address=text.lower()),), alone=True)
    return _find(text) if LOOKS_LIKE.search(text) else _NOTHING


def _find(cell: str) -> FoundAddresses:
    text = _readable(cell)
    runs = [run for run in _RUN.findall(text) if not run.startswith("@")]
    pieces = [_pieces(run) for run in runs]
    found = itertools.chain(filter(None, map(_token, runs, pieces)), itertools.chain.from_iterable(pieces))
    tokens = {token.address: token for token in found}
    if len(tokens) == 1:
        ((address, token),) = tokens.items()
        given = unicodedata.normalize("NFC", cell).lower()
        if not token.trouble and given != address and not re.search(r"\s", given) and given.count("@") == 1:
            tokens = {address: Token(address=address, given=given)}
    return FoundAddresses(tokens=tuple(tokens.values()), alone=not any(pieces) and _is_alone(text, len(tokens)))


def _readable(cell: str) -> str:
    """A cell without entities, escapes, full-width forms and invisible characters."""
    text = html.unescape(cell) if "&" in cell else cell
    text = re.sub("%40", "@", text)
    text = unicodedata.normalize("NFKC", text).replace("。", ".")
    text = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)
    return "".join(c for c in text if unicodedata.category(c) != "Cf")


def _pieces(run: str) -> list[Token]:
    """The addresses of a run that holds several, or one inside a link: `unsubscribe?email=ann@example.com&by=…`."""
    if run.count("@") == 1 and not _INSIDE.search(run.lstrip(_AROUND).partition("@")[0]):
        return []
    return [Token(address=piece.lower().lstrip("'+%-.")) for piece in _PIECE.findall(run)]


def _token(run: str, pieces: Sequence[Token] = ()) -> Token | None:
    """The address of a run of characters around `@`; None when it doesn't look like one: `name@host`."""
    local, _, rest = run.partition("@")
    domain = _DOMAIN.match(rest)
    if not local or domain is None or "." not in domain[0].strip("."):
        return None
    if any("\ud800" <= character <= "\udfff" or character == "\ufffd" for character in run):
        return Token(address=run, trouble="not UTF-8")
    if "@" in rest:
        return None if pieces else Token(address=run, trouble="not an e-mail address")
    given = f"{local}@{domain[0]}".lower()
    name = local.lstrip("'=+*`‘’‚´").replace("’", "'") or local
    address = f"{name}@{domain[0].strip('.-_')}".lower()
    return Token(address=address, given=given if given != address else "")


def _is_alone(text: str, count: int) -> bool:
    rest = _NAMED.sub(" ", text)
    bare = len(_RUN.findall(rest))
    beside = _PUNCTUATION.sub(" ", _LABELS.sub(" ", _RUN.sub(" ", rest))).split()
    if not beside:
        return True
    is_name = len(beside) <= _NAME_WORDS and all(word[0].isupper() for word in beside)
    return is_name and count == 1 and bare <= 1 and not {plain(word) for word in beside} & _SOMEBODY_ELSE


def forms(address: str, given: str = "") -> Iterator[str]:
    """The other spellings under which a platform may know an address: each once, the address itself left out."""
    spelt = {address, unicodedata.normalize("NFC", address), given, unicodedata.normalize("NFC", given)} - {""}
    spelt |= {other for each in spelt for other in _both_domains(each)}
    spelt |= {other for each in tuple(spelt) for other in _mailbox(each)}
    return iter(sorted(spelt - {address}))


def is_simple(address: str) -> bool:
    """Whether an address has no other spelling."""
    return address.isascii() and "xn--" not in address and not address.endswith(_GMAIL)


def _both_domains(address: str) -> Iterator[str]:
    local, _, domain = address.rpartition("@")
    if local and (not domain.isascii() or "xn--" in domain):
        yield from (f"{local}@{each}" for each in _spellings(domain.strip(".")))


@functools.lru_cache(maxsize=65_536)
def _spellings(domain: str) -> tuple[str, ...]:
    """An internationalised domain in Unicode and in ASCII."""
    import idna

    try:
        ascii_form = idna.encode(domain, uts46=True).decode()
        return ascii_form, idna.decode(ascii_form)
    except (idna.IDNAError, UnicodeError):
        return ()


def _mailbox(address: str) -> Iterator[str]:
    """The spellings of a Gmail address: with and without dots and what follows a plus, in both domains."""
    local, _, domain = address.rpartition("@")
    if domain not in _GMAIL or not local:
        return
    without_plus = local.partition("+")[0] or local
    names = {local, without_plus, local.replace(".", ""), without_plus.replace(".", "")}
    yield from (f"{name}@{each}" for name, each in itertools.product(names, _GMAIL) if name)


def is_well_formed(address: str) -> bool:
    """Whether an address is one by RFC 5321, or has dots where only some providers allow them."""
    if _COMMON.fullmatch(address):
        return len(address) <= 254
    local, _, domain = address.rpartition("@")
    return len(local) <= 64 and address.count("@") == 1 and _validates(local, domain)


@functools.lru_cache(maxsize=4096)
def _validates(local: str, domain: str) -> bool:
    from email_validator import EmailNotValidError, validate_email

    try:
        validate_email(f"{local}@{domain}", check_deliverability=False)
    except (EmailNotValidError, UnicodeError):
        return False
    return True
