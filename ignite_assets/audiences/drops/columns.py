"""Whose address a column holds, by its header: the person's who opted out, somebody else's, or nobody can tell.

One table of words (`WORDS`) in the languages of the headers. An address is submitted only from a column that is
without doubt the person's; where several could be, none is.
"""

import functools
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["person", "other", "text", "unknown"]
"""`person`: who opted out; `other`: staff, senders, relatives; `text`: notes, reasons, links."""

WORDS: Mapping[Role, str] = {
    "person": """
        recipient subscriber unsubscriber contact customer member client lead prospect buyer purchaser consumer shopper
        visitor guest registrant person optout to
        empfanger abonnent kontakt kunde kunden mitglied interessent kaufer
        destinataire abonne client membre acheteur prospect
        destinatario suscriptor contacto cliente miembro comprador
        iscritto contatto membro acquirente
        ontvanger abonnee klant lid koper
        assinante contato contacto
        klient klienta klienci odbiorca odbiorcy subskrybent kontakt czlonek nabywca
    """,
    "other": """
        owner sender from representative rep reps salesperson salesman saleswoman salesrep sales seller adviser advisor
        consultant manager mgr agent creator created author assigned assignee dealer dealership staff employee admin
        administrator operator associate csr bdc executive exec officer coordinator specialist supervisor team store
        rooftop branch office company vendor provider support service approver approved modified updated edited editor
        submitted requested requester reported reporter by exported uploaded entered imported processed handled handler
        broker reply cc bcc forwarded team location
        spouse partner co cobuyer cosigner parent guardian referrer referred referral friend emergency household
        besitzer inhaber eigentumer absender von vertreter verkaufer berater betreuer ansprechpartner makler ersteller
        erstellt zugewiesen handler mitarbeiter bearbeiter sachbearbeiter vertrieb filiale autohaus
        proprietaire expediteur vendeur vendeuse conseiller conseillere representant gestionnaire responsable createur
        cree assigne attribue concessionnaire commercial employe
        propietario remitente vendedor vendedora asesor representante gerente agente creador creado asignado
        concesionario empleado comercial
        proprietario mittente venditore consulente rappresentante responsabile creatore creato assegnato concessionario
        addetto dipendente
        eigenaar afzender verkoper adviseur vertegenwoordiger beheerder maker aangemaakt toegewezen medewerker
        remetente consultor assessor criador criado atribuido concessionaria funcionario
        titolare door
        nadawca nadawcy sprzedawca sprzedawcy wlasciciel wlasciciela opiekun opiekuna doradca doradcy handlowiec
        handlowca przedstawiciel pracownik menedzer kierownik utworzyl przypisany dealera
        included
    """,
    "text": """
        note notes comment comments remark remarks reason message body subject description detail details source url
        link campaign history log text referer
        bemerkung bemerkungen notiz notizen grund kommentar nachricht beschreibung betreff quelle
        raison commentaire commentaires remarque motif objet motivo comentario comentarios nota notas observaciones
        mensaje messaggio commento opmerking opmerkingen reden bericht observacao mensagem
    """,
}
"""By role, the words of headers, without accents; a header with words of two roles is the later one's."""


def listed(text: str) -> tuple[str, ...]:
    """The words of a table of words, in its order."""
    return tuple(text.split())


def word_set(text: str) -> frozenset[str]:
    """The words of a table of words."""
    return frozenset(text.split())


_TRANSLATED = {
    "(?:電子|[EeＥ])?メール(?:アドレス)?": "email",
    "顧客|お客様": "customer",
    "会員": "member",
    "購読者": "subscriber",
    "受信者|宛先": "recipient",
    "担当者?|所有者|営業": "owner",
    "送信者|差出人": "sender",
    "作成者|登録者": "creator",
    "店舗": "store",
    "氏名|名前": "name",
    "電話番号?": "phone",
    "日付|日時": "date",
    "備考|理由|メモ": "note",
    "住所": "street",
    "配信停止|退会": "unsubscribed",
    "購読中": "subscribed",
}
"""Words of languages that put no space between them, as patterns, in English."""
_TRANSLATABLE = re.compile("|".join(f"({each})" for each in _TRANSLATED))
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "ı": "i", "æ": "ae", "œ": "oe"})
_MAIL = re.compile(r"e?mails?|e?mailadd?res+e?[sn]?|courriels?|correos?|epost|mel|posta|poczt[ay]")
_QUALIFIERS = word_set("""
    address addresses addr adr adresse adressen adresses adres direccion indirizzo endereco electronico electronica
    electronique additional secondary second alternate alternative alt other further more primary main first work home
    personal private business weitere zweite autre otro altra andere outro hashed the of de do di d a des der die das
    is your id value values data items item attributes attribute results result records record properties property
    fields field entries entry rows row list lists key raw elements element response payload hits docs documents
    unsubscribed unsubscribes suppressed suppressions optouts optedout abgemeldet edges edge nodes node profiles profile
    du del della dello dos da das la le el il lo les los van het een elettronica elektronicznej elektroniczna sz str
""")
"""Words that don't say whose an address is."""

_OTHER_WORDS = word_set("""
    name names firstname lastname fullname last surname vorname nachname nom prenom nombre apellido cognome naam phone
    mobile telephone telefon tel telefono date datum fecha data time at on status state type reason id number no nr
    country land city zip plz postcode street region code ip language website site domain company title salutation
    anrede gender unsubscribe optin opt out in consent subscription active hash md5 sha1 sha256 sha2 user username
""")
"""Further words of headers, to tell a header from a row."""

_PART = re.compile(r"[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+|\d+")
_SUFFIX_LENGTH = 5


@dataclass(frozen=True)
class HeaderColumn:
    """What a header says."""

    name: str
    role: Role
    group: str
    """Columns of one group hold addresses of the same person: `Email`, `Email 2`, `Work email`."""
    says_mail: bool


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The columns of a table that hold the person's addresses; or those that could."""

    submitted: frozenset[int] = frozenset()
    sure: bool = True
    """Whether a name says so, rather than that there is no other column."""
    candidates: tuple[str, ...] = ()
    """The names of the columns among which nobody can choose; nothing is submitted then."""
    staff: bool = False
    """Whether all of these are somebody else's."""


def plain(text: str) -> str:
    """Text in lower case without accents."""
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(c for c in letters if not unicodedata.combining(c))


def legible(text: str) -> str:
    """Text whose bytes are not of its encoding, read as Japanese or as Windows' Western: of headers and statuses."""
    if text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text):
        return text
    raw = text.encode(errors="surrogateescape")
    readings = (raw.decode(encoding, errors="replace") for encoding in ("cp932", "euc_jp"))
    return next(filter(_TRANSLATABLE.search, readings), None) or raw.decode("cp1252", errors="replace")


def _translated(header: str) -> str:
    """A header whose words stand without spaces, in English."""
    if header.isascii():
        return header
    return _TRANSLATABLE.sub(lambda match: f" {_ENGLISH[(match.lastindex or 1) - 1]} ", header)


_ENGLISH = tuple(_TRANSLATED.values())


@functools.lru_cache(maxsize=4096)
def words(header: str) -> tuple[str, ...]:
    """The words of a header: `Contact: E-Mail`, `contactEmail` and `contact_email` are all `contact`, `email`."""
    parts = [plain(part) for part in _PART.findall(_translated(unicodedata.normalize("NFC", legible(header))))]
    joined: list[str] = []
    for part in parts:
        if (part.startswith("mail") or part == "post") and joined and joined[-1] == "e":
            joined[-1] = f"e{part}"
        else:
            joined.append(part)
    return tuple(word for part in joined for word in _split_mail(part))


def _split_mail(word: str) -> tuple[str, ...]:
    """`owneremail` is `owner`, `email`; `emailadresse` is itself."""
    if _MAIL.fullmatch(word):
        return (word,)
    split = re.fullmatch(r"(.{2,}?)(e?mails?)(add?res+e?s?)?|(e?mails?)(.{2,})", word)
    if not split or word.startswith("mailing"):
        return (word,)
    rest = split[1] or split[5]
    return (rest.rstrip("s") if rest.endswith("ss") else rest, "email")


@functools.lru_cache(maxsize=4096)
def column(header: str) -> HeaderColumn:
    """What a header says of the addresses below it."""
    all_words = words(header)
    rest = [word for word in all_words if not (_MAIL.fullmatch(word) or word.isdigit() or word in _QUALIFIERS)]
    says_mail = any(_MAIL.fullmatch(word) for word in all_words)
    roles = {_role(word) for word in rest}
    if not rest:
        known = says_mail or bool({"address", "addresses", "adresse", "value"} & set(all_words))
        return HeaderColumn(header, "person" if known else "unknown", "", says_mail)
    for role in ("other", "text", "unknown", "person"):
        if role in roles:
            return HeaderColumn(header, role, " ".join(rest), says_mail)
    raise AssertionError


_ROLES: Mapping[str, Role] = {word: role for role, text in WORDS.items() for word in listed(text)}
_SUFFIXES = tuple(w for w in listed(WORDS["other"]) if len(w) >= _SUFFIX_LENGTH)
_PREFIXES = tuple(w for w in listed(WORDS["person"]) if len(w) >= _SUFFIX_LENGTH)


def _role(word: str) -> Role:
    singular = word.removesuffix("s")
    if found := _ROLES.get(word) or _ROLES.get(singular):
        return found
    if word.endswith(_SUFFIXES) or singular.endswith(_SUFFIXES):
        return "other"
    return "person" if word in {f"{known}n" for known in _PREFIXES} else "unknown"


def may_be_header(cells: Sequence[str]) -> bool:
    """Whether a row without an address may be a header by the one column that it names as that of addresses."""
    filled = [cell for cell in cells if cell.strip()]
    named = [cell for cell in filled if column(cell).says_mail and len(words(cell)) <= 3]
    return bool(named) and len(set(filled)) == len(filled) and all(len(cell) <= 60 for cell in filled)


def is_header(cells: Sequence[str]) -> bool:
    """Whether a row without an address is a header: it names a column of addresses, and looks like one elsewhere."""
    filled = [cell for cell in cells if cell.strip()]
    if not filled or len(set(filled)) < len(filled) // 2:
        return False
    return any(_names_addresses(cell) for cell in filled) and sum(map(_is_known, filled)) * 2 >= len(filled)


def _names_addresses(cell: str) -> bool:
    found = words(cell)
    if not found or len(found) > 6 or len(cell) > 60:
        return False
    told = column(cell)
    return told.says_mail or (told.role in ("person", "other") and len(found) <= 2)


def _is_known(cell: str) -> bool:
    found = words(cell)
    known = [w for w in found if w in _OTHER_WORDS or w in _QUALIFIERS or _role(w) != "unknown" or _MAIL.fullmatch(w)]
    return bool(found) and len(known) * 2 >= len(found)


def header_score(cells: Sequence[str]) -> int:
    """How many cells of a row are known words of headers."""
    return sum(map(_is_known, cells))


def choose(names: Mapping[int, str], distinct: Mapping[int, int], wanted: Collection[str] = ()) -> Choice:
    """The columns to submit, of those that hold addresses (`names`: by position; empty text: without a name).

    `distinct`: how many different addresses each holds. `wanted`: names that a person chose; where the table has one of
    them they decide.
    """
    chosen = frozenset(at for at, name in names.items() if is_called(name, at, wanted))
    if chosen:
        return Choice(submitted=chosen)
    told = {at: column(name) for at, name in names.items()}
    groups: dict[str, list[int]] = {}
    for at, each in told.items():
        if each.role == "person" or (each.role == "unknown" and each.says_mail):
            groups.setdefault(each.group, []).append(at)
    if len(groups) == 1:
        (only,) = groups.values()
        others = [at for at in told if at not in only]
        sure = told[only[0]].role == "person" and not _is_mailbox(told, only, others, distinct)
        if sure or not others:
            return Choice(submitted=frozenset(only), sure=sure)
    if len(told) == 1 and not groups and next(iter(told.values())).role == "unknown":
        return Choice(submitted=frozenset(told), sure=False)
    staff = all(each.role in ("other", "text") for each in told.values())
    return Choice(candidates=tuple(shown(name, at) for at, name in names.items()), staff=staff)


def _is_mailbox(
    told: Mapping[int, HeaderColumn], only: Iterable[int], others: Iterable[int], distinct: Mapping[int, int]
) -> bool:
    """Whether `To` may be the mailbox that people write to, rather than the person: it varies no more than `From`."""
    senders = [distinct.get(at, 0) for at in others if "from" in words(told[at].name)]
    return bool(senders) and any("to" in words(told[at].name) and distinct.get(at, 0) <= max(senders) for at in only)


def is_called(name: str, at: int, wanted: Collection[str]) -> bool:
    """Whether a column is one of those named: by its header, or as `column 3`."""
    asked = {words(each) for each in wanted}
    return bool(asked) and (words(name) in asked or words(f"column {at + 1}") in asked)


def shown(name: str, at: int) -> str:
    """A column as messages name it."""
    name = legible(name)
    return name.strip() if name.strip() and "@" not in name else f"column {at + 1}"
