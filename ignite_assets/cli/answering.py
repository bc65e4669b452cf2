"""Runs a query and writes its rows; an error of DuckDB's or Arrow's becomes one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ignite_assets.cli.results import Format, printed, replacing, write

if TYPE_CHECKING:
    import duckdb

    from ignite_assets.storage.sql import Session


def answer(session: "Session", query: str, form: Format, output: Path | None = None) -> None:
    """Run the statements of a query and write their rows, each partition's in one version, to a file or stdout."""
    statements = session.statements(query)
    if not statements:
        raise click.UsageError("the query is empty")
    if sum(map(_is_query, statements)) > 1 and (form != "table" or output):
        raise click.UsageError("several queries have several results: one file, or one of CSV and JSON, holds one")
    for statement in statements:
        if not _is_query(statement):
            session.run(statement)
            continue
        with replacing(output) if output else printed(form) as path:
            session.answer(statement, partial(write, form=form, path=path))


@contextmanager
def failing_in_one_line() -> Iterator[None]:
    """Have what DuckDB and Arrow say of a query that fails as an error of one line, and Ctrl-C as it is elsewhere."""
    import duckdb
    import pyarrow as pa

    from ignite_assets.api.errors import IgniteError
    from ignite_assets.storage.duck import raising_interrupts

    try:
        with raising_interrupts():
            yield
    except (duckdb.Error, pa.ArrowException) as error:
        raise IgniteError(" ".join(str(error).partition("\n\nLINE ")[0].split())) from error


def _is_query(statement: "duckdb.Statement") -> bool:
    """Whether it answers rows, rather than how many it changed."""
    return [str(kind).rpartition(".")[2] for kind in statement.expected_result_type] == ["QUERY_RESULT"]
