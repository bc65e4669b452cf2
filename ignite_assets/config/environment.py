"""Variables that `ignite.toml` names: from the process' environment, else from a `.env` file beside it.

A variable that is set wins, even an empty one. The file is read when a variable is looked up. Its values are put into
no environment, so that no other process inherits them.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from ignite_assets.api.errors import ConfigurationError

ENV_FILE = ".env"


def variable(name: str, file: Path | None = None) -> str | None:
    """The value of a variable; None where neither has it. Raises `ConfigurationError` for a file that can't be read."""
    if name in os.environ or file is None:
        return os.environ.get(name)
    return variables_of(file).get(name)


def variables_of(file: Path) -> Mapping[str, str]:
    """The variables of a file; none where there is no file. Raises `ConfigurationError` when it can't be read."""
    trouble = ""
    try:
        found = dotenv_values(file, interpolate=False, encoding="utf-8-sig") if file.is_file() else {}
        return {name: value for name, value in found.items() if value is not None}
    except OSError as error:
        trouble = f"can't be read: {error.strerror}"
    except UnicodeDecodeError as error:  # which holds the whole file
        trouble = f"not UTF-8 text (at byte {error.start + 1})"
    raise ConfigurationError(str(file), [trouble])


def is_open_to_others(file: Path) -> bool:
    """Whether its group or everybody may read a file."""
    return os.name == "posix" and file.is_file() and bool(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
