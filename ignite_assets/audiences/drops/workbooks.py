"""Rows out of Excel and OpenDocument workbooks: every sheet, by the same rules as text with delimiters."""

import io
from collections.abc import Callable, Iterator
from typing import Any

from ignite_assets.audiences.drops import addresses, behind
from ignite_assets.audiences.drops.addresses import LOOKS_LIKE
from ignite_assets.audiences.drops.behind import Behind
from ignite_assets.audiences.drops.columns import is_header, may_be_header
from ignite_assets.audiences.drops.decoding import DropError
from ignite_assets.audiences.drops.tables import DroppedRow, DroppedTable, Finds


def read(
    data: bytes, finds: Finds = LOOKS_LIKE.search, heads: Callable[[list[str]], bool] = is_header
) -> Iterator[DroppedRow]:
    """The rows of all sheets, hidden ones too, by sheet and row. Raises `DropError`."""
    from python_calamine import CalamineError, CalamineWorkbook

    sheets: list[Any] | None = None
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = [workbook.get_sheet_by_name(each.name) for each in workbook.sheets_metadata if _has_cells(each)]
    except CalamineError:
        pass
    if sheets is None:
        raise DropError("not an Excel workbook that can be read: it is damaged, or has a password")
    return _all(sheets, data, finds, heads)


def _all(sheets: list[Any], data: bytes, finds: Finds, heads: Callable[[list[str]], bool]) -> Iterator[DroppedRow]:
    hidden = behind.read(data)
    for sheet in sheets:
        yield from _sheet(sheet, hidden, finds, heads)
    around = list(dict.fromkeys(text for text in hidden.around if finds(text)))
    if around:
        yield DroppedRow(DroppedTable(preamble=True), 0, around, None, "", True)


def _has_cells(sheet: Any) -> bool:
    return str(sheet.typ).rpartition(".")[2] in ("WorkSheet", "MacroSheet")


def _sheet(sheet: Any, hidden: Behind, finds: Finds, heads: Callable[[list[str]], bool]) -> Iterator[DroppedRow]:
    table, bare = DroppedTable(), True
    top, left = sheet.start or (0, 0)
    for number, values in enumerate(sheet.iter_rows(), 1 + top):
        cells = [_text(value) for value in values]
        notes = list(_put_behind(cells, sheet.name, number - 1, left, hidden))
        if not any(cells):
            continue
        may_head = heads(cells) or (bare and heads is is_header and may_be_header(cells))
        if (bare or sum(map(bool, cells)) > 1) and may_head and not any(map(finds, cells)):
            table, bare = DroppedTable(names=[cell.strip() for cell in cells]), False
            continue
        cells += [""] * (len(table.names) - len(cells)) + notes
        yield DroppedRow(table, number, cells, None, "\t".join(cells), True)


def _put_behind(cells: list[str], sheet: str, row: int, left: int, hidden: Behind) -> Iterator[str]:
    """Write the address of a link to the name that it stands behind; yields what is beside the cells' own texts."""
    for at in range(len(cells)) if hidden.cells or hidden.notes else ():
        place = sheet, row, left + at
        found = {token.address for token in addresses.find(cells[at]).tokens}
        link = [token.address for token in addresses.find(hidden.cells.get(place, "")).tokens]
        if link and not found:
            cells[at] = f"{cells[at]} <{link.pop(0)}>"
        yield from (address for address in link if address not in found)
        if note := hidden.notes.get(place):
            yield note


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
