"""Mistakes in words: the key, what was found, what is allowed. Never a value that may be a secret."""

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args

from pydantic_core import ErrorDetails

from ignite_assets.api.names import closest, taken_for
from ignite_assets.api.section import Unshown
from ignite_assets.config.kinds import allowed_words, choices_of, is_mapping, kind_at, kind_of

_URL = re.compile(r"(?=.*://|.*:.*@)([a-z0-9+.-]*://)?(.*@)?([^?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def in_words(detail: ErrorDetails) -> str:
    """One line: the key, what was found, what is allowed."""
    loc, found = detail["loc"], detail["input"]
    if detail["type"] == "extra_forbidden":
        return f"{_dotted(loc)}: {_unknown_key(loc, found)}"
    if loc[-1] == "[key]" and is_mapping(mapping := kind_at(loc[:-2])[0]):
        if kind := taken_for(str(loc[-2])):
            return (
                f"{_dotted(loc[:-1])}: readers of the lake take this key for {kind}, and may take another key for the "
                f"same; name it dealer-{loc[-2]}, say"
            )
        return f"{_dotted(loc[:-1])}: found this key; allowed: {allowed_words(*kind_of(get_args(mapping)[0]))}"
    annotation, metadata = kind_at(loc)
    allowed = allowed_words(annotation, metadata)
    if detail["type"] == "missing":
        return f"{_dotted(loc)}: missing; required: {allowed}"
    suggestion = did_you_mean(found, choices_of(annotation))
    return f"{_dotted(loc)}: found {_shown(found, metadata)}; allowed: {allowed}{suggestion}"


def _unknown_key(loc: Sequence[int | str], found: object) -> str:
    """What to say of an unknown key; never its value, which may be a secret under a mistaken name."""
    if loc[0] == "websites" and isinstance(found, dict):
        return 'unknown table; a website key that holds a dot stands in quotes: [websites."www.acme"]'
    annotation, _ = kind_at(loc[:-1])
    known = sorted(annotation.model_fields)
    return f"unknown key; allowed: {', '.join(known)}{did_you_mean(loc[-1], known)}"


def unknown_websites(table: str, found: Iterable[str], websites: Sequence[str]) -> Iterator[str]:
    """A line for each key of a table by website that is no configured website."""
    for key in found:
        if key not in websites:
            allowed = ", ".join(websites) + did_you_mean(key, websites)
            yield f"{_dotted((*table.split('.'), key))}: found this key; allowed: {allowed}"


def did_you_mean(found: object, choices: Sequence[str]) -> str:
    """The choice that comes closest to what was found, as the end of a message; empty when none is close."""
    close = closest(found, choices)
    return f"; did you mean {close}?" if close else ""


def _shown(found: object, metadata: Sequence[object]) -> str:
    """A mistaken value as the file has it, shortened, and without what may be a secret."""
    for mark in metadata:
        if isinstance(mark, Unshown):
            return mark.phrase
    if isinstance(found, dict):
        return "a table" if found else "none"
    if isinstance(found, list):
        return "a list"
    return _shown_text(found) if isinstance(found, str) else toml(found)


def _shown_text(text: str) -> str:
    """A text shortened; of a URL neither user nor query nor fragment, but a word on what is left out."""
    parts = _URL.fullmatch(text)
    if not parts:
        return toml(_shortened(text))
    scheme, user, place, query = (part or "" for part in parts.groups())
    left_out = [word for word, part in (("a user", user), ("a query or fragment", query)) if part]
    return toml(_shortened(scheme + place)) + (f" with {' and '.join(left_out)}" if left_out else "")


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


def toml(value: object) -> str:
    """A value as TOML writes it, near enough for a message."""
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dt.time):
        return f'"{str(value).removesuffix(":00")}"'
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{toml_key(key)} = {toml(each)}' for key, each in value.items())}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml, value))}]"
    return str(value)


def toml_key(key: str) -> str:
    """A key as TOML writes it: in quotes where it needs them."""
    return key if _BARE_KEY.fullmatch(key) else toml(key)


def _dotted(loc: Sequence[int | str]) -> str:
    """The place of a value as TOML writes it: `websites."www.acme".algo`, `assets.owners[0]`."""
    dotted = ""
    for part in loc:
        if isinstance(part, int):
            dotted += f"[{part}]"
        else:
            dotted += f".{toml_key(part)}"
    return dotted.removeprefix(".")
