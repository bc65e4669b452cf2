"""Addresses that a workbook has behind its cells: links, formulas and comments, and what stands outside every cell."""

import html
import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from ignite_assets.audiences.drops.addresses import LOOKS_LIKE

_PIECE_BYTES = 1 << 20
_ELEMENT = re.compile(r"<(?:\w+:)?(sheet|Relationship|hyperlink)\b([^>]*)>")
_ATTRIBUTE = re.compile(r"""([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_COMMENT = re.compile(
    r"""<(?:\w+:)?comment\b[^>]*\bref\s*=\s*["']([A-Z]+\d+)[^>]*>(.*?)</(?:\w+:)?comment>""", re.DOTALL
)
_FORMULA = re.compile(
    r"""<(?:\w+:)?c\b[^>]*\br\s*=\s*["']([A-Z]+\d+)["'][^>]*>\s*<(?:\w+:)?f\b[^>]*>([^<]*(?:@|%40)[^<]*)</"""
)
_MAILTO = re.compile(r"mailto:[^\s\"'<>\0]+", re.IGNORECASE)
_OF_CELLS = re.compile(
    r"xl/(?:worksheets|sharedStrings|styles|theme|_rels|workbook|comments|threadedComments)|content\.xml"
)


@dataclass
class Behind:
    """What a workbook holds beside the values of its cells."""

    cells: dict[tuple[str, int, int], str] = field(default_factory=dict)
    """By sheet, row and column (from 0), the link or formula."""
    notes: dict[tuple[str, int, int], str] = field(default_factory=dict)
    """By the same, the comment."""
    around: list[str] = field(default_factory=list)
    """Texts of no cell that can be told."""


def read(data: bytes) -> Behind:
    """What stands behind the cells of a workbook, of the texts with an address."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _of_archive(archive)
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError):
        texts = (data.decode(encoding, errors="ignore") for encoding in ("latin-1", "utf-16-le"))
        odd = data[1:].decode("utf-16-le", errors="ignore")
        return Behind(around=[link for text in (*texts, odd) for link in _MAILTO.findall(text)])


def _of_archive(archive: zipfile.ZipFile) -> Behind:
    found, names = Behind(), set(archive.namelist())
    for sheet, part in _sheets(archive, names):
        links = {each["Id"]: each for each in _related(archive, names, part)}
        for ref, text in _behind_cells(archive, part, links):
            if LOOKS_LIKE.search(text):
                found.cells[sheet, *_place(ref)] = text
        for target in (each["Target"] for each in links.values() if each.get("Type", "").endswith("/comments")):
            for ref, text in _COMMENT.findall(_text(archive, names, _joined(part, target))):
                found.notes[sheet, *_place(ref)] = _bare(text)
    for name in sorted(names):
        if name.endswith(".xml") and not _OF_CELLS.match(name):
            found.around.append(_bare(_text(archive, names, name)))
    found.around += _MAILTO.findall(_text(archive, names, "content.xml"))
    return found


def _sheets(archive: zipfile.ZipFile, names: set[str]) -> Iterator[tuple[str, str]]:
    parts = {each["Id"]: each["Target"] for each in _related(archive, names, "xl/workbook.xml")}
    for kind, told in _elements(_text(archive, names, "xl/workbook.xml")):
        id_ = next((value for key, value in told.items() if key.endswith(":id")), "")
        if kind == "sheet" and id_ in parts:
            yield told.get("name", ""), _joined("xl/workbook.xml", parts[id_])


def _related(archive: zipfile.ZipFile, names: set[str], part: str) -> list[dict[str, str]]:
    folder, name = posixpath.split(part)
    text = _text(archive, names, f"{folder}/_rels/{name}.rels")
    return [told for kind, told in _elements(text) if kind == "Relationship" and {"Id", "Target"} <= told.keys()]


def _behind_cells(archive: zipfile.ZipFile, part: str, links: dict[str, dict[str, str]]) -> Iterator[tuple[str, str]]:
    """The cells of a sheet with a link or a formula, row by row: a long sheet is never held whole."""
    with archive.open(part) as source:
        waiting = ""
        while True:
            piece = source.read(_PIECE_BYTES).decode(errors="replace")
            waiting += piece
            end = waiting.rfind("</row>") + 1 if piece else len(waiting)
            rows, waiting = waiting[:end], waiting[end:]
            yield from ((ref, html.unescape(formula)) for ref, formula in _FORMULA.findall(rows))
            for kind, told in _elements(rows) if "hyperlink" in rows else ():
                id_ = next((value for key, value in told.items() if key.endswith(":id")), "")
                if kind == "hyperlink":
                    yield told.get("ref", ""), unquote(links.get(id_, {}).get("Target", "")) or told.get("location", "")
            if not piece:
                return


def _elements(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    for kind, attributes in _ELEMENT.findall(text):
        yield kind, {key: html.unescape(one or other) for key, one, other in _ATTRIBUTE.findall(attributes)}


def _text(archive: zipfile.ZipFile, names: set[str], name: str) -> str:
    return archive.read(name).decode(errors="replace") if name in names else ""


def _joined(part: str, target: str) -> str:
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{posixpath.dirname(part)}/{target}")


def _bare(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", text))


def _place(ref: str) -> tuple[int, int]:
    """The row and column, from 0, of a cell such as `B2`; of a range its first."""
    match = re.match(r"\$?([A-Z]+)\$?(\d+)", ref)
    if not match:
        return 0, 0
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return int(match[2]) - 1, column - 1
