"""What may name a folder of the lake, on every operating system. Pure; no I/O."""

import re
from typing import Literal

MISFITS = "_misfits"
"""The lake's folder of records that can't be rows; no asset's."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\..*)?", re.IGNORECASE)
_WEBSITE_KEY = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
_ASSET = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")


def is_website_key(name: str) -> bool:
    """Whether it can be a website's key: part of a folder's name, of a partition key and of a run tag."""
    return bool(_WEBSITE_KEY.fullmatch(name)) and not _is_special(name)


def credential_variable(website: str, kind: Literal["token", "secret"]) -> str:
    """The usual name of the environment variable that holds a website's token or secret: `ACME_HONDA_TOKEN`."""
    words = re.sub("[^A-Z0-9]", "_", website.upper())
    return f"{'_' if words[:1].isdigit() else ''}{words}_{kind.upper()}"


def is_asset_name(name: str) -> bool:
    """Whether it can be an asset's folder."""
    return bool(_ASSET.fullmatch(name)) and name.lower() != MISFITS and not _is_special(name)


def _is_special(name: str) -> bool:
    return ".." in name or bool(_DEVICE.fullmatch(name))
