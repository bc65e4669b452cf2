"""Rows out of Excel and OpenDocument workbooks: every sheet, by the same rules as text with delimiters."""

import io
from collections.abc import Callable, Iterator
from typing import Any

from ignite_assets.audiences.drops.addresses import LOOKS_LIKE
from ignite_assets.audiences.drops.columns import is_header
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
    return (row for sheet in sheets for row in _sheet(sheet, finds, heads))


def _has_cells(sheet: Any) -> bool:
    return str(sheet.typ).rpartition(".")[2] in ("WorkSheet", "MacroSheet")


def _sheet(sheet: Any, finds: Finds, heads: Callable[[list[str]], bool]) -> Iterator[DroppedRow]:
    table, bare = DroppedTable(), True
    for number, values in enumerate(sheet.iter_rows(), 1 + (sheet.start or (0, 0))[0]):
        cells = [_text(value) for value in values]
        if not any(cells):
            continue
        if (bare or sum(map(bool, cells)) > 1) and not any(map(finds, cells)) and heads(cells):
            table, bare = DroppedTable(names=[cell.strip() for cell in cells]), False
            continue
        yield DroppedRow(table, number, cells, None, "\t".join(cells), True)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
