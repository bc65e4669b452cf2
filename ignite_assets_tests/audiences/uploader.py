"""An ad platform that is changed by exported files alone, by the uploader that docs/manifests.md shows."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ignite_assets_tests.docs.blocks import blocks

_PAGE = Path(__file__).parents[2] / "docs" / "manifests.md"


def _of_the_page() -> Callable[[Path, set[Path]], Iterator[tuple[str, Path]]]:
    """The code of the page: each file to upload, and what to do with its people."""
    (block,) = (block for block in blocks(_PAGE) if block.language == "python")
    names: dict[str, Any] = {}
    exec(compile(block.text, str(_PAGE), "exec"), names)
    found: Callable[[Path, set[Path]], Iterator[tuple[str, Path]]] = names["new_exports"]
    return found


new_exports = _of_the_page()


def exports(folder: Path) -> list[Path]:
    """The folders of a list's exports, in order."""
    return sorted(path.parent for path in folder.glob("[0-9]*/manifest.json"))


def lines(export: Path) -> dict[str, set[str]]:
    """The hashes in an export's files, by what is done with them; fails for a manifest that doesn't tell the truth."""
    found: dict[str, set[str]] = {"add": set(), "remove": set(), "replace": set()}
    manifest = json.loads((export / "manifest.json").read_text())
    for entry in [*manifest["files"], manifest["state"]]:
        data = (export / entry["name"]).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(data), sha256(data).hexdigest())
    for entry in manifest["files"]:
        people = people_of(export / entry["name"])
        assert people == sorted(set(people))
        assert len(people) == entry["rows"]
        found[entry["action"]] |= set(people)
    return found


def people_of(file: Path) -> list[str]:
    """The hashes in a file."""
    return [line.strip('"') for line in file.read_text().split() if "mail" not in line]


def state(export: Path) -> list[dict[str, Any]]:
    """The rows of an export's state."""
    manifest = json.loads((export / "manifest.json").read_text())
    rows: list[dict[str, Any]] = pq.read_table(export / manifest["state"]["name"]).to_pylist()
    return rows


@dataclass
class PlatformList:
    """One list on the platform, and what was taken of it."""

    folder: Path
    people: set[str] = field(default_factory=set)
    ever: set[str] = field(default_factory=set)
    """Everyone whom its exports ever added."""
    taken: list[Path] = field(default_factory=list)

    def take(self) -> None:
        """Take the exports that were not taken yet, in order, as the page does."""
        taken = set(self.taken)
        files = list(new_exports(self.folder, taken))
        for export in exports(self.folder):
            if export not in self.taken:
                self.upload(export, [(action, path) for action, path in files if path.parent == export])
        assert taken == set(self.taken)

    def upload(self, export: Path, files: Iterable[tuple[str, Path]] | None = None) -> None:
        """Take one export; `files`: its files, those that the page finds unless given."""
        self.taken.append(export)
        if files is None:
            files = new_exports(self.folder, {*exports(self.folder)} - {export})
        found = lines(export)
        assert not found["add"] & found["remove"]
        assert found["remove"] <= self.ever | {line for each in exports(self.folder) for line in lines(each)["add"]}
        self.ever |= found["add"] | found["replace"]
        for action, path in files:
            people = set(people_of(path))
            if action == "remove":
                self.people = self.people - people
            else:
                self.people = people | (self.people if action == "add" else set())
        manifest = json.loads((export / "manifest.json").read_text())
        rows = state(export)
        certain = not any(row["withdrawn"] for row in rows)
        if certain and self.has_all_before(manifest["number"]):
            assert self.people == {row["hash"] for row in rows if row["listed"]}
            assert len(self.people) == manifest["counts"]["members"]

    def has_all_before(self, number: int) -> bool:
        """Whether the export reckoned with all that was taken before it."""
        return len(self.taken) == number


def pointed_at(folder: Path) -> Path:
    """The export that a list's `manifest.json` names, which it describes as the export's own manifest does."""
    pointer = json.loads((folder / "manifest.json").read_text())
    export: Path = folder / pointer.pop("folder")
    assert pointer == json.loads((export / "manifest.json").read_text())
    lines(export)
    return export
