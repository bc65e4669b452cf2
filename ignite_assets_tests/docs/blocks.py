"""The code blocks of the pages, and the dates in them."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WRITTEN = dt.date(2026, 11, 24)
"""The day on which the pages take place: their yesterday is the 23rd, whatever the calendar says."""

_FENCE = re.compile(r"^```([a-z]*) ?([a-z .-]*)$")
_DATE = re.compile(r"\b20\d\d-\d\d-\d\d\b")


@dataclass(frozen=True)
class Block:
    """One fenced block: what its fence says, and what stands in it."""

    page: Path
    line: int
    """Of the fence, from 1."""
    language: str
    mark: str
    """The second word of the fence: what a block of its language is for, or where alone it runs."""
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}-{self.line}"

    @property
    def kind(self) -> str:
        """The fence's words."""
        return f"{self.language} {self.mark}".strip()


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    begun: tuple[int, str, str] | None = None
    held: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if begun and line == "```":
            yield Block(page, *begun, "\n".join(held) + "\n")
            begun = None
        elif begun:
            held.append(line)
        elif line.startswith("```"):
            fence = _FENCE.match(line)
            assert fence, f"{page.name}, line {number}: what is {line}?"
            begun, held = (number, fence[1], fence[2]), []
    assert begun is None, f"{page.name}: the block of line {begun} has no end"


def moved(text: str, days: int) -> str:
    """The text with every date so many days later."""
    return _DATE.sub(lambda found: str(dt.date.fromisoformat(found[0]) + dt.timedelta(days=days)), text)


def normalised(text: str) -> list[str]:
    """Lines without what differs from day to day: digits, and the widths that follow from them."""
    told = re.sub(r"-[0-9a-f]{16}\b", "-9", text)  # what is made from content
    lines = (re.sub(r"[\d,.]+", "9", re.sub(r"[─ ]+", " ", line)).strip() for line in told.splitlines())
    return [line for line in lines if line]
