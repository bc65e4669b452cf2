"""A query's rows as a table, CSV, JSON or Parquet. All but the table write every row, batch by batch."""

import contextlib
import io
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import duckdb

Format = Literal["table", "csv", "json", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
SHOWN_ROWS = 40
"""What a table shows at most."""

_BATCH_ROWS = 1 << 14
_NOTHING_CUT = 1 << 20
_INT64 = range(-(1 << 63), 1 << 63)


def write(relation: "duckdb.DuckDBPyRelation", form: Format, path: Path) -> None:
    """Write the rows to a file, from its start."""
    if form == "parquet":
        relation.write_parquet(str(path), compression="zstd")
    elif form == "csv":
        relation.write_csv(str(path))
    else:
        with path.open("w", encoding="utf-8", newline="") as stream:
            (_write_json if form == "json" else _write_table)(relation, stream)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside this one, to write to; it takes this one's place when the block ends well."""
    # Not by the process's id, which is 1 in every container that shares the folder.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def printed(form: Format) -> Iterator[Path]:
    """A file to write to; it is printed when the block ends well.

    A table is text, in the terminal's encoding. CSV and JSON are UTF-8 whatever that is: no value is changed.
    """
    with tempfile.TemporaryDirectory(prefix="ignite-") as folder:
        path = Path(folder) / "printed"
        yield path
        if form == "table":
            with path.open(encoding="utf-8", newline="") as text:
                shutil.copyfileobj(text, sys.stdout)
        else:
            with path.open("rb") as data:
                sys.stdout.flush()
                shutil.copyfileobj(data, sys.stdout.buffer)


def _write_table(relation: "duckdb.DuckDBPyRelation", stream: IO[str]) -> None:
    if relation.columns == ["explain_key", "explain_value"]:
        stream.writelines(f"{plan}\n" for _, plan in relation.fetchall())
        return
    import pyarrow as pa

    from ignite_assets.storage.duck import connect

    reader = relation.to_arrow_reader(_BATCH_ROWS)
    head, rows = reader.schema.empty_table(), 0
    for batch in reader:
        if len(head) < SHOWN_ROWS:
            head = pa.concat_tables([head, pa.table(batch.slice(0, SHOWN_ROWS - len(head)))])
        rows += len(batch)
    with connect() as connection:
        stream.write(f"{_box(connection.from_arrow(head))}\n")
    more = f", the first {SHOWN_ROWS} shown; --format csv, json or parquet has them all" if rows > len(head) else ""
    stream.write(f"{rows:,} row{'' if rows == 1 else 's'}{more}\n")


def _box(relation: "duckdb.DuckDBPyRelation") -> str:
    """DuckDB's own drawing, as wide as the terminal that standard output is; elsewhere as wide as it takes."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _NOTHING_CUT
    drawn = io.StringIO()
    with contextlib.redirect_stdout(drawn):
        relation.show(max_rows=SHOWN_ROWS, max_width=width, max_col_width=width)
    lines = drawn.getvalue().rstrip().splitlines()
    end = max((at for at, line in enumerate(lines) if line.startswith("└")), default=len(lines))
    return "\n".join(lines[: end + 1])  # without its footer, which knows of no more rows than these


def _write_json(relation: "duckdb.DuckDBPyRelation", stream: IO[str]) -> None:
    import orjson

    before = "[\n"
    names = _distinct(relation.columns)
    for batch in relation.to_arrow_reader(_BATCH_ROWS):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            record = orjson.dumps(dict(zip(names, row, strict=True)), default=_plain, option=orjson.OPT_NON_STR_KEYS)
            stream.write(before + record.decode())
            before = ",\n"
    stream.write("[]\n" if before == "[\n" else "\n]\n")


def _distinct(names: list[str]) -> list[str]:
    """The names, a number added to those that were there before."""
    found: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in found:
            candidate, number = f"{name}_{number}", number + 1
        found.append(candidate)
    return found


def _plain(value: Any) -> Any:
    """What JSON has no kind for, as a number or as text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and int(value) in _INT64 else float(value)
    return value.hex() if isinstance(value, bytes) else str(value)
