"""The kinds of values that settings hold: for each one validator, and one phrase that says what is allowed."""

import datetime as dt
import re
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
)

from ignite_assets.api.addresses import base_url
from ignite_assets.api.names import is_website_key, taken_for
from ignite_assets.api.section import AllowedText, Unshown

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}")
_NAME = re.compile(r"[A-Za-z0-9_]+")  # what Dagster takes as a name
_OWNER = re.compile(r"team:\S+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")  # what Dagster takes as an owner


def _website_key(key: str) -> str:
    """Keep keys that name a folder, part of a partition key and a run tag, on every operating system."""
    if not is_website_key(key) or taken_for(key):
        raise ValueError("not a website key")
    return key


def _variable(name: str) -> str:
    """Keep names of environment variables; refuse what is rather a secret in the place of its name."""
    random = any(len(word) >= 16 and any(map(str.isdigit, word)) for word in name.split("_"))
    if random or not _VARIABLE.fullmatch(name):
        raise ValueError("not the name of an environment variable")
    return name


def _date(value: object) -> object:
    if isinstance(value, str) and _DATE.fullmatch(value):
        return dt.date.fromisoformat(value)
    return value


def _plausible(date: dt.date) -> dt.date:
    """Refuse a slip of the pen: each day since then is a partition of every website."""
    if not 2000 <= date.year < 2100:
        raise ValueError("not in this century")
    return date


def _time(value: object) -> object:
    if isinstance(value, str) and _TIME.fullmatch(value):
        return dt.time.fromisoformat(value)
    return value


def _minute(time: dt.time) -> dt.time:
    if time.second or time.microsecond:
        raise ValueError("finer than a minute")
    return time


def _well_before_midnight(time: dt.time) -> dt.time:
    """Refuse a capture that runs into the next day, at which what it asks for can't be had any more."""
    if time.hour == 23:
        raise ValueError("too close to midnight")
    return time


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError) as error:  # not found; or a folder of the time zone database
        raise ValueError("not a time zone") from error
    return name


def _owner(owner: str) -> str:
    if not _OWNER.fullmatch(owner):
        raise ValueError("not an owner")
    return owner


def _key_parts(value: object) -> object:
    """A key as Dagster writes it, `east/ignite`, or its parts."""
    parts = value.split("/") if isinstance(value, str) else value
    return tuple(parts) if isinstance(parts, list) else parts


def _names(parts: tuple[str, ...]) -> tuple[str, ...]:
    for part in parts:
        _name(part)
    return parts


def _web_url(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s<>|\\\"?#@]+", url):
        raise ValueError("not a web address")
    return url


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("not a name")
    return name


WebsiteKey = Annotated[
    str,
    AfterValidator(_website_key),
    AllowedText(
        "1 to 63 lower-case letters a-z, digits and, inside only, '.', '_' and '-' (no '..', no Windows device name, "
        "nothing that readers take for a number, a date or the like)"
    ),
]
Variable = Annotated[
    str,
    AfterValidator(_variable),
    AllowedText("the name of an environment variable such as ACME_TOKEN, never the token or secret itself"),
    Unshown("a value that is not the name of an environment variable"),
]
BaseUrl = Annotated[
    str,
    AfterValidator(base_url),
    AllowedText("an https URL, or an http one on loopback, without user, query or fragment"),
]
WebUrl = Annotated[
    str,
    AfterValidator(_web_url),
    AllowedText("an http or https URL without user, query or fragment"),
]
Date = Annotated[
    dt.date,
    BeforeValidator(_date),
    AfterValidator(_plausible),
    AllowedText('a date such as "2026-09-01", of the years 2000 to 2099'),
]
TimeOfDay = Annotated[
    dt.time,
    BeforeValidator(_time),
    AfterValidator(_minute),
    AllowedText('a time of day from "00:00" to "23:59"'),
]
CaptureTime = Annotated[
    dt.time,
    BeforeValidator(_time),
    AfterValidator(_minute),
    AfterValidator(_well_before_midnight),
    AllowedText('a time of day from "00:00" to "22:59": after midnight, the day to be captured is another'),
]
Timezone = Annotated[str, AfterValidator(_timezone), AllowedText("an IANA time zone such as UTC or America/Chicago")]
Owner = Annotated[str, AfterValidator(_owner), AllowedText('"team:NAME" or an e-mail address')]
Name = Annotated[str, AfterValidator(_name), AllowedText("letters a-z, digits and _")]
KeyParts = Annotated[
    tuple[str, ...],
    BeforeValidator(_key_parts),
    AfterValidator(_names),
    AllowedText('text such as "east" or "east/ignite", or a list of its parts; each of letters a-z, digits and _'),
]
