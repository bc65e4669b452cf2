"""A query run, and what it finds written; what goes wrong told in one line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ignite_assets.cli.results import Format, write, write_file

if TYPE_CHECKING:
    import duckdb

    from ignite_assets.storage.sql import Session


def answer(session: "Session", query: str, form: Format, output: Path | None = None) -> None:
    """Run the statements of a query and write what they find."""
    statements = session.statements(query)
    if not statements:
        raise click.UsageError("the query is empty")
    if sum(map(_is_query, statements)) > 1 and (form != "table" or output):
        raise click.UsageError("several queries have several results: one file, or one of CSV and JSON, holds one")
    for statement in statements:
        relation = session.run(statement)
        if relation is None or not _is_query(statement):
            continue
        if output:
            write_file(relation, form, output)
        else:
            write(relation, form, sys.stdout)


@contextmanager
def failing_in_one_line() -> Iterator[None]:
    """Have what DuckDB and Arrow say of a query that fails as an error of one line, and Ctrl-C as it is elsewhere."""
    import duckdb
    import pyarrow as pa

    from ignite_assets.api.errors import IgniteError

    try:
        yield
    except RuntimeError as error:
        if "interrupted" not in str(error).lower():
            raise
        told = error.__cause__  # the signal's own, when DuckDB kept it
        raise told if isinstance(told, KeyboardInterrupt) else KeyboardInterrupt from None
    except (duckdb.Error, pa.ArrowException) as error:
        raise IgniteError(" ".join(str(error).partition("\n\nLINE ")[0].split())) from error


def _is_query(statement: "duckdb.Statement") -> bool:
    """Whether it answers rows, rather than how many it changed."""
    return [str(kind).rpartition(".")[2] for kind in statement.expected_result_type] == ["QUERY_RESULT"]
