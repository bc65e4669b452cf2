"""The parts of the README that are made from the code. `python -m ignite_assets_tests.readme` writes them.

A part stands between the comments `<!-- name -->` and `<!-- /name -->`.
"""

import re
import shutil
import tempfile
from pathlib import Path

from ignite_assets.cli import main
from ignite_assets.cli.endpoints import as_markdown, table_rows
from ignite_assets.config import reference
from ignite_assets_tests.commands import ROOT, run

README = ROOT / "README.md"


def part(name: str) -> str:
    """What stands in the README between a part's comments."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README.read_text(), re.DOTALL)
    if found is None:
        raise LookupError(f"the README has no part {name}")
    return found[1]


def code(name: str) -> str:
    """The code of a part, without its fence."""
    return re.sub(r"^```.*\n", "", part(name), flags=re.MULTILINE)


def endpoints() -> str:
    return as_markdown(table_rows())


def settings() -> str:
    lines = ["| setting | allowed | default | |", "|---|---|---|---|"]
    for row in reference():
        default = row.default if row.default in ("required", "not set") else f"`{row.default}`"
        cells = (f"`{row.key}`", row.allowed, default, row.description)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def commands() -> str:
    lines = ["| command | |", "|---|---|"]
    lines += [f"| `ignite-assets {name}` | {main.commands[name].get_short_help_str(100)} |" for name in main.commands]
    return "\n".join(lines)


def transcript(printed: str) -> str:
    """What the demo prints, shortened: of the table the first website's last night."""
    lines = printed.splitlines()
    header = next(n for n, line in enumerate(lines) if line.startswith("asset "))
    nights = [line.split()[2] for line in lines[header + 1 : lines.index("", header)]]
    first_website = lines[header + 1].split()[1]
    rows = [
        line
        for line, night in zip(lines[header + 1 :], nights, strict=False)
        if night == max(nights) and line.split()[1] == first_website
    ]
    end = lines.index("", header)
    return "\n".join(["```", *lines[: header + 1], "…", *rows, "…", *lines[end:], "```"])


def shown_demo() -> str:
    """The demo's transcript, run as `make run` does."""
    folder = Path(tempfile.mkdtemp(prefix="ignite-readme-"))
    try:
        return transcript(run("demo", folder=folder).stdout)
    finally:
        shutil.rmtree(folder)


GENERATED = {"endpoints": endpoints, "settings": settings, "commands": commands}


def write() -> None:
    """Bring the README up to date."""
    text = README.read_text()
    for name, made in {**GENERATED, "transcript": shown_demo}.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text = re.sub(pattern, lambda found, made=made: f"{found[1]}{made()}\n{found[2]}", text, flags=re.DOTALL)  # type: ignore[misc]
    README.write_text(text)


if __name__ == "__main__":
    write()
