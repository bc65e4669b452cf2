"""Statements for warehouses and sources of dbt, made from the tables."""

import datetime as dt
import re

import pytest
import yaml

from ignite_assets.api.table import ColumnType
from ignite_assets.tables.dbt import sources
from ignite_assets.tables.external import WAREHOUSES, Place, Warehouse, statements
from ignite_assets.tables.registry import TABLES

PLACE = Place(url="s3://agency/lake", websites=["acme", "bayside"], first_day=dt.date(2026, 9, 1), schema="raw")


@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_each_asset_is_a_table_of_all_its_columns_and_the_two_of_its_path(warehouse: Warehouse) -> None:
    found = {
        match[1]: text
        for text in statements(warehouse, TABLES, PLACE)
        if (match := re.search(r"TABLE (?:hive\.)?raw\.(\w+) \(\n", text))
    }
    assert list(found) == [table.name for table in TABLES]
    for table in TABLES:
        text = found[table.name]
        columns = re.findall(r'^  ["`](\w+)["`] \S', text, re.MULTILINE)
        assert [name for name in columns if name not in ("website", "date")] == [c.name for c in table.all_columns]
        assert re.search(r"website.{1,20}(string|STRING|varchar|VARCHAR)", text)
        assert f"lake/{table.name}" in text
        assert text.endswith(";")


@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_every_type_of_a_column_has_one_in_the_warehouse(warehouse: Warehouse) -> None:
    used: set[ColumnType] = {column.type for table in TABLES for column in table.all_columns}
    assert len(used) > 5
    assert "".join(statements(warehouse, TABLES, PLACE))


def test_athena_needs_to_be_told_of_no_partition() -> None:
    text = next(statements("athena", TABLES, PLACE))
    assert "'projection.website.values' = 'acme,bayside'" in text
    assert "'projection.date.range' = '2026-09-01,NOW'" in text
    assert "visitor\\'s" in text, "as Hive has it; doubled, the comment would end there"


def test_sources_have_each_assets_columns_tests_of_its_keys_and_its_freshness() -> None:
    (source,) = yaml.safe_load(sources(TABLES, "/data/lake"))["sources"]
    assert [table["name"] for table in source["tables"]] == [table.name for table in TABLES]
    for table, shown in zip(TABLES, source["tables"], strict=True):
        assert [column["name"] for column in shown["columns"]] == [
            *(column.name for column in table.all_columns), "website", "date",
        ]  # fmt: skip
        assert all(column["description"] for column in shown["columns"])
        never_null = {column["name"] for column in shown["columns"] if column.get("data_tests") == ["not_null"]}
        assert never_null == {"website", "date", *(c.name for c in table.all_columns if not c.nullable)}
        assert bool(table.keys) == ("data_tests" in shown)
        assert shown["config"]["loaded_at_field"] == table.stamp.name
