"""An ad platform that is changed by exported files alone, by an uploader who takes a list's exports in order."""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


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
        people = [line.strip('"') for line in (export / entry["name"]).read_text().split() if "mail" not in line]
        assert people == sorted(set(people))
        assert len(people) == entry["rows"]
        found[entry["action"]] |= set(people)
    return found


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
        """Take the exports that were not taken yet, in order."""
        for export in exports(self.folder):
            if export not in self.taken:
                self.upload(export)

    def upload(self, export: Path) -> None:
        self.taken.append(export)
        found = lines(export)
        assert not found["add"] & found["remove"]
        assert found["remove"] <= self.ever | {line for each in exports(self.folder) for line in lines(each)["add"]}
        self.ever |= found["add"] | found["replace"]
        manifest = json.loads((export / "manifest.json").read_text())
        if manifest["mode"] == "full":
            self.people = found["replace"]
        else:
            self.people = (self.people - found["remove"]) | found["add"]
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
