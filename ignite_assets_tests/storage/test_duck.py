"""What DuckDB's, Arrow's and file systems' failures may say."""

import duckdb
import pytest

from ignite_assets.storage.duck import told


def failing(sql: str) -> duckdb.Error:
    with pytest.raises(duckdb.Error) as caught, duckdb.connect() as session:
        session.execute(sql).fetchall()
    return caught.value


def test_a_message_that_quotes_a_row_is_not_told() -> None:
    error = failing("SELECT CAST(hashed AS INTEGER) FROM (VALUES ('5d41402abc4b2a76')) rows(hashed)")
    assert "5d41402abc4b2a76" in str(error)
    assert told(error) == "ConversionException"


def test_of_files_and_columns_what_is_wrong_is_told() -> None:
    assert "nowhere.parquet" in told(failing("FROM '/nowhere.parquet'"))
    assert "no_such_column" in told(failing("SELECT no_such_column FROM (SELECT 1 AS id)"))
    assert told(PermissionError(13, "Permission denied")) == "PermissionError: [Errno 13] Permission denied"
