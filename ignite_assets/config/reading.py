"""`ignite.toml` found, read and judged; every mistake at once."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import (
    ValidationError,
)

from ignite_assets.api.errors import ConfigurationError
from ignite_assets.audiences.rules import mistakes_between
from ignite_assets.config.mistakes import in_words, unknown_websites
from ignite_assets.config.models import CONFIG_FILE, Settings

CONFIG_VARIABLE = "IGNITE_CONFIG"
"""The environment variable that says where the configuration is."""

EXAMPLE = """\
partitions.start_date = "2026-09-01"
[websites.acme-honda]
token_env = "ACME_HONDA_TOKEN"
secret_env = "ACME_HONDA_SECRET"
"""
"""The shortest configuration that works."""


def load_settings(path: str | Path | None = None) -> Settings:
    """The settings of a file: the one given, else the one that `IGNITE_CONFIG` names, else `./ignite.toml`.

    Raises `ConfigurationError` with every mistake of the file, a line each.
    """
    found, reason = _find(Path(path) if path is not None else None)
    return judge(_read(found, reason), found)


def judge(document: Mapping[str, Any], path: Path) -> Settings:
    """The settings that a document holds; relative places are looked for beside `path`.

    Raises `ConfigurationError` with every mistake of the document, a line each.
    """
    # An absent table is read as an empty one, so that what it must hold is reported key by key.
    whole = {"partitions": {}, "websites": {}, **document}
    try:
        settings = Settings.model_validate(whole, context=path)
    except ValidationError as error:
        mistakes = [in_words(detail) for detail in error.errors(include_url=False, include_context=False)]
    else:
        algos = {website: settings.algo(website) for website in settings.websites}
        mistakes = [f"exports, {mistake}" for mistake in mistakes_between(settings.exports, algos)]
        mistakes += unknown_websites("opt_outs.columns", settings.opt_outs.columns, sorted(settings.websites))
        if not mistakes:
            return settings
    raise ConfigurationError(str(path), mistakes)


def _find(path: Path | None) -> tuple[Path, str]:
    """Where the configuration should be, absolute, and who says so."""
    if path is not None:
        return path.expanduser().absolute(), "the path that was asked for"
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named).expanduser().absolute(), f"the path in {CONFIG_VARIABLE}"
    return Path(CONFIG_FILE).absolute(), f"in the working directory, since {CONFIG_VARIABLE} names no other"


def _read(path: Path, reason: str) -> dict[str, Any]:
    """The document in a file, before anything in it is judged."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        mistakes = _how_to_begin(reason)
    except OSError as error:
        mistakes = [f"can't be read: {error.strerror}"]
    except UnicodeDecodeError as error:
        mistakes = [f"not TOML: not UTF-8 text (at byte {error.start + 1})"]
    except (ValueError, RecursionError) as error:  # TOMLDecodeError; numbers and nesting beyond Python's bounds
        mistakes = [f"not TOML: {error}"]
    raise ConfigurationError(str(path), mistakes)


def _how_to_begin(reason: str) -> list[str]:
    return [
        f"there is no such file ({reason})",
        "to write one, with every setting explained: `ignite-assets init --website acme-honda`",
        "one that works, with the credentials in the two environment variables it names, or in a .env beside it:",
        *(f"    {line}" for line in EXAMPLE.splitlines()),
        "to try the package without one: `ignite-assets demo`",
    ]
