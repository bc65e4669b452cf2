"""What may name a folder of the lake, on every operating system. Pure; no I/O."""

import difflib
import re
from collections.abc import Iterable
from typing import Literal

MISFITS = "_misfits"
"""The lake's folder of records that can't be rows; no asset's."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\..*)?", re.IGNORECASE)
_HEX = re.compile(r"0x[0-9a-f]+")
_TRUTHS = {"true", "false", "t", "f", "yes", "no", "y", "n", "on", "off"}
_NULLS = {"null", "none", "nil", "na", "n.a", "n-a", "undefined"}
_NUMBERS = {"nan", "inf", "infinity"}
_MONTHS = re.compile(
    "jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|oct(ober)?|nov(ember)?|dec(ember)?"
)
_IN_NUMBERS = set("exbodfl") | _NUMBERS
"""Letters of numbers as programs write them: `1e5`, `0x1f`, `0b1`, `1.5f`, `1l`."""
_IN_TIMES = {"t", "w", "z", "q", "am", "pm", "utc", "gmt"}
_WEBSITE_KEY = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
_ASSET = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")


def is_website_key(name: str) -> bool:
    """Whether it can be a website's key: part of a folder's name, of a partition key and of a run tag."""
    return bool(_WEBSITE_KEY.fullmatch(name)) and not _is_special(name)


def taken_for(key: str) -> str | None:
    """What readers of a lake may take a website's key for (`a number`, `a date`, …), since it stands in a path.

    None when every reader takes it for text. A key without a word of its own is none: DuckDB, Polars, pandas, Arrow
    and Spark infer kinds of partition values, each by rules of its own, so that `007` and `7` become one website.
    """
    if key in _TRUTHS:
        return "true or false"
    if key in _NULLS:
        return "no value"
    if key in _NUMBERS or _HEX.fullmatch(key):
        return "a number"
    words = re.findall("[a-z]+", key)
    if key == "epoch" or (key != "".join(words) and all(_MONTHS.fullmatch(word) for word in words) and words):
        return "a date"
    if not key[:1].isdigit() or not set(words) <= _IN_NUMBERS | _IN_TIMES | set(filter(_MONTHS.fullmatch, words)):
        return None
    dated = len(re.findall("[0-9]+", key)) > 2 or "-" in key or not set(words) <= _IN_NUMBERS
    return "a date" if dated else "a number"


def closest(name: object, known: Iterable[str]) -> str | None:
    """The known name that was probably meant: one that begins so, else the most alike; None when none is alike."""
    lowered, names = str(name).lower(), list(known)
    begun = [each for each in names if lowered and each.startswith(lowered)]
    return next(iter(begun or difflib.get_close_matches(lowered, names, n=1)), None)


def credential_variable(website: str, kind: Literal["token", "secret"]) -> str:
    """The usual name of the environment variable that holds a website's token or secret: `ACME_HONDA_TOKEN`."""
    words = re.sub("[^A-Z0-9]", "_", website.upper())
    return f"{'_' if words[:1].isdigit() else ''}{words}_{kind.upper()}"


def is_asset_name(name: str) -> bool:
    """Whether it can be an asset's folder."""
    return bool(_ASSET.fullmatch(name)) and name.lower() != MISFITS and not _is_special(name)


def _is_special(name: str) -> bool:
    return ".." in name or bool(_DEVICE.fullmatch(name))
