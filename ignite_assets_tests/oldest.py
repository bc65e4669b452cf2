"""Print pip constraints that hold each dependency in pyproject.toml, extras included, to its lowest allowed version.

`make test-oldest` installs by them. What the dependencies need themselves is free, as it is for users.
"""

import re
import tomllib
from collections.abc import Iterator

from ignite_assets_tests.commands import ROOT

_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[\w+\])?>=([\w.]+)")


def oldest() -> Iterator[str]:
    """A constraint for each direct dependency. Raises `ValueError` for one without a lower bound."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for text in [*project["dependencies"], *(text for extra in extras if extra != "bench" for text in extras[extra])]:
        if text.startswith(project["name"]):
            continue
        found = _REQUIREMENT.match(text)
        if not found:
            raise ValueError(f"{text!r} in pyproject.toml has no lower bound")
        yield f"{found[1]}=={found[2]}"


if __name__ == "__main__":
    print("\n".join(oldest()))  # noqa: T201 - it prints
