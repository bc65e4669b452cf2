"""What ad platforms make of the exported files: read as strictly as each destination documents, and applied."""

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEX = re.compile(r"[0-9a-f]{64}")

MICROSOFT_HEAD = (
    "Type,Status,Id,Parent Id,Client Id,Modified Time,Name,Description,Scope,Audience,Action Type,Sub Type,Text,"
    "Membership Duration,Accept Customer Match Term"
)


def _lines(data: bytes, head: str) -> list[str]:
    """The lines below the head, of a file that ends its last line."""
    text = data.decode()
    assert text.startswith(head)
    assert text.endswith("\n") or text == head
    assert "\r" not in text
    return text.removeprefix(head).splitlines()


def _column(head: str) -> Callable[[bytes], list[str]]:
    return lambda data: _lines(data, f"{head}\n" if head else "")


def _liveramp(data: bytes) -> list[str]:
    lines = _lines(data, '"email1_SHA-256"\n')
    assert all(line[0] == line[-1] == '"' for line in lines)
    return [line[1:-1] for line in lines]


def _uid2(data: bytes) -> list[str]:
    return [base64.b64decode(line, validate=True).hex() for line in _lines(data, "")]


def _microsoft(data: bytes) -> list[str]:
    assert data.startswith(b"\xef\xbb\xbf" + MICROSOFT_HEAD.encode() + b"\n")
    version, customer_list, *items = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
    assert (version["Type"], version["Name"]) == ("Format Version", "6.0")
    assert customer_list["Type"] == "Customer List"
    assert customer_list["Action Type"] in ("Add", "Remove", "Replace")
    for item in items:
        assert (item["Type"], item["Sub Type"]) == ("Customer List Item", "Email")
        assert item["Parent Id"] == customer_list["Id"] or item["Audience"] == customer_list["Audience"]
    return [item["Text"] for item in items]


FORMS: dict[str, Callable[[bytes], list[str]]] = {
    "google_customer_match": _column("Email"),
    "meta_custom_audience": _column("email"),
    "tiktok_customer_file": _column("Email_SHA256"),
    "microsoft_ads_bulk": _microsoft,
    "the_trade_desk_uid2": _uid2,
    "liveramp": _liveramp,
    "x_audience": _column(""),
    "plain_list": _column(""),
}


@dataclass(frozen=True)
class Upload:
    """One export's files, opened and checked against its manifest and its destination's form."""

    manifest: dict[str, Any]
    files: dict[str, list[str]]
    """The hashes of each file, by its name."""
    actions: list[tuple[str, list[str]]]

    def of(self, action: str) -> set[str]:
        """The hashes to add, to remove, or to replace the list with."""
        return {value for each, values in self.actions if each == action for value in values}


def read_upload(folder: Path) -> Upload:
    """Open every file of an export."""
    manifest = json.loads((folder / "manifest.json").read_text())
    entries = [*manifest["files"], manifest["state"]]
    there = {path.name for path in folder.iterdir() if path.is_file()}
    assert there == {"manifest.json", *(entry["name"] for entry in entries)}
    for entry in entries:
        data = (folder / entry["name"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])
    files = {}
    for entry in manifest["files"]:
        values = FORMS[manifest["destination"]]((folder / entry["name"]).read_bytes())
        assert len(values) == len(set(values)) == entry["rows"]
        assert values == sorted(values)
        assert all(HEX.fullmatch(value) for value in values)
        files[entry["name"]] = values
    return Upload(manifest, files, [(entry["action"], files[entry["name"]]) for entry in manifest["files"]])


@dataclass
class AdPlatform:
    """The lists of an ad platform, as the files that were uploaded left them; by their folder."""

    lists: dict[str, set[str]] = field(default_factory=dict)
    taken: set[Path] = field(default_factory=set)
    """The folders that were uploaded."""

    def take(self, exports: Path) -> dict[str, Upload]:
        """Upload every export that is new, each list's in order; the last of each list."""
        found = {}
        for path in sorted(exports.rglob("[0-9]*/manifest.json")):
            if path.parent not in self.taken:
                self.taken.add(path.parent)
                name = str(path.parent.parent.relative_to(exports))
                found[name] = self._apply(name, read_upload(path.parent))
        return found

    def _apply(self, name: str, upload: Upload) -> Upload:
        before = self.lists.get(name, set())
        adds, removes = upload.of("add"), upload.of("remove")
        if upload.of("replace") or upload.manifest["mode"] == "full":
            self.lists[name] = upload.of("replace") | adds
        else:
            assert not adds & removes
            assert upload.manifest["counts"]["resent"] or not adds & before
            assert removes <= before, "nobody is removed that was not sent"
            self.lists[name] = before - removes | adds
        assert len(self.lists[name]) == upload.manifest["counts"]["members"]
        return upload


def newest(folder: Path) -> Path:
    """The export that a list's `manifest.json` names."""
    pointer = json.loads((folder / "manifest.json").read_text())
    return folder / str(pointer["folder"])
