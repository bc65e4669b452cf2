"""Columns that say whether a row's person is subscribed, and what a row says by them.

A row that clearly says *subscribed* is left out. A row whose status nobody can tell is suppressed and not submitted.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from ignite_assets.audiences.drops.columns import legible, listed, plain, word_set, words

Said = Literal["out", "in", "neither", "unclear"]
"""`neither`: a known word that is about delivery (bounced, cleaned), not about what the person wants."""

Sense = Literal["out", "in", "words", "both", "dated", "asked"]
"""What *yes* means in a column; `words`: its values say it in words; `both`: the header says one and the other;
`dated`: a value is when the person opted out; `asked`: it is about mail, and nobody can tell what *yes* means."""

_OUT = listed("""
    unsubscribed unsubscribe unsub optedout optout outopted donotemail donotcontact optedoutofemail
    hasoptedoutofemail nonsubscribed notsubscribed removed revoked withdrawn declined denied suppressed abgemeldet
    abbestellt ausgetragen widerrufen desabonne desinscrit baja desuscrito disiscritto uitgeschreven afgemeld
    cancelado descadastrado desinscription desabonnement abmeldung austragung oposicion disiscrizione afmelding
    wypisany wypisano rezygnacja avregistrerad avprenumererad afmeldt
    groupunsubscribe listunsubscribe globalunsubscribe
""")
_IN = listed("""
    subscribed subscribe optedin optin consent consented consenting allowed granted permission angemeldet abonniert
    eingetragen abonne inscrit suscrito iscritto ingeschreven aangemeld inscrito
    accepts accept accepted allow allows agree agrees agreed permitted marketable mailable contactable einwilligung
    zustimmung einverstanden consentement consentimiento consenso consentimento accepte acepta accetta aceita
    toestemming akkoord zgoda zapisany subskrybuje prenumererar tilmeldt samtykke
""")
_CLEARLY_IN = word_set("""
    subscribed optedin optin consented angemeldet abonniert eingetragen abonne inscrit suscrito iscritto ingeschreven
    aangemeld inscrito zapisany resubscribe resubscribed groupresubscribe
""")
_NEITHER = word_set(
    "bounced bounce cleaned pending unconfirmed invalid undeliverable complained complaint spam spamreport"
)
_YES = word_set("1 true t yes y ja oui si sim x on wahr vrai verdadero vero 1.0 tak ano はい 是")
_NO = word_set("0 false f no n nein non nee nao off falsch faux falso 0.0 nie nej ne いいえ 否")
_STATUS = word_set("status state subscription substatus optstatus abostatus statut estado stato event action")
_ABOUT = word_set("""
    is has email mail emails the of to for from e marketing newsletter global all user person contact customer
    subscriber flag yn status bool opted member recipient list
""")
_HISTORY = word_set("time date at ip on reason campaign title datum fecha by source count link url id email2")
_WHEN = frozenset(["time", "date", "at", "on", "datum", "fecha"])
_LISTS = frozenset(["newsletter", "newsletters", "marketing", "mailings"])
"""What a column of yes and no is about when its header says no more."""
_OTHER_CHANNELS = word_set("""
    sms mms text call calls phone push whatsapp fax mobile telefon telephone telefono anruf appel llamada postal post
    messenger app
""")
_ABOUT_MAIL = word_set("""
    email emails mail mails mailing mailings marketing newsletter newsletters communication communications contact
    promo promos promotions offers advertising werbung publicite publicidad pubblicita
""")
_NO_WISH = word_set("""
    bounce bounced bounces valid verified confirmed clicked opened delivered deliverable primary sent hard soft invalid
    exists has hash type format domain duplicate
""")
"""Words of columns of yes and no that are about an address, not about what the person wants."""
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")


def sense(header: str) -> Sense | None:
    """What a column of this header says of a row; None when it is no status."""
    found = words(header)
    if not found or len(found) > 7:
        return None
    if set(found) & _HISTORY:
        dated = set(found) & _WHEN and any(word in "".join(found) for word in _OUT)
        return "dated" if dated and not set(found) & (_HISTORY - _WHEN) else None
    if set(found) & _OTHER_CHANNELS and not set(found) & {"email", "emails"}:
        return None
    joined = "".join(word for word in found if word not in _ABOUT - {"opted"})
    whole = "".join(found)
    negated = found[0] in ("not", "non") or ("donot" in whole and "donotmail" not in whole)
    out = any(word in joined for word in _OUT) or negated
    inside = re.sub("|".join(_OUT), "", joined)
    is_in = any(inside.endswith(word) for word in _IN if len(word) > 4) and not negated
    if out and is_in:
        return "both"
    if out:
        return "out"
    if is_in:
        return "in"
    if set(found) & _STATUS:
        return "words"
    if set(found) & _LISTS and not set(found) - _ABOUT - _LISTS:
        return "in"
    return "asked" if set(found) & _ABOUT_MAIL and not set(found) & _NO_WISH else None


def are_flags(values: Iterable[str]) -> bool:
    """Whether a column's values are yes and no."""
    return {_plain(value) for value in values} <= _YES | _NO


def _plain(value: str) -> str:
    return plain(legible(value)).strip(" '\"")


def value_says(value: str, column: Sense) -> Said:
    """What one value says."""
    text = _plain(value)
    by_word = _word_says(text)
    if by_word:
        return by_word
    if column == "dated":
        return "out" if text else "unclear"
    if column == "words":
        return "unclear"
    if text in _YES or (column == "out" and _DATE.search(text)):
        return "out" if column == "out" else "in" if column == "in" else "unclear"
    if text in _NO:
        return "in" if column == "out" else "out" if column == "in" else "unclear"
    return "unclear"


def _word_says(text: str) -> Said | None:
    joined = re.sub(r"[^a-z]", "", text)
    if joined in _OUT:
        return "out"
    if joined in _CLEARLY_IN:
        return "in"
    return "neither" if joined in _NEITHER else None


def contradicts(column: Sense, values: Iterable[str]) -> bool:
    """Whether a column's values can't be read in one way: yes and no beside words, or a header that says both."""
    kinds = set()
    for value in values:
        text = _plain(value)
        if text in _YES or text in _NO:
            kinds.add("flag")
        elif _word_says(text) in ("out", "in"):
            kinds.add("word")
    return len(kinds) > 1 or (column == "both" and "flag" in kinds)


def is_used(column: Sense, values: Iterable[str]) -> bool:
    """Whether a column says anything about subscriptions: a `Status` of `ok` doesn't, nor a column of dates."""
    if column == "asked":
        return False
    return any(value_says(value, column) in ("out", "in") for value in values) or (
        column == "both" and any(_plain(value) in _YES | _NO for value in values)
    )


def row_says(cells: Iterable[tuple[int, str]], used: Mapping[int, Sense]) -> Said:
    """What all cells of a row's status columns say together; a column may have several, or none."""
    told = [(at, value_says(cell, used[at])) for at, cell in cells if at in used]
    said = {each for _, each in told} | ({"unclear"} if len({at for at, _ in told}) < len(used) else set[Said]())
    clear = said & {"out", "in"}
    if len(clear) == 1:
        return "out" if "out" in clear else "in"
    return "neither" if said == {"neither"} else "unclear"
