"""What Dagster shows: column schemas and previews, derived from the rows of the table."""

import io
import json
import re
from typing import Any
from urllib.parse import unquote

import dagster as dg
import pytest

from ignite_assets.api.endpoints import CAPTURED_AT, ENDPOINTS, Endpoint, by_name
from ignite_assets.dagster.metadata import (
    MASK,
    column_schema,
    lineage_metadata,
    partition_metadata,
    place,
    preview,
    storage_kinds,
    storage_uri,
)
from ignite_assets.storage.staging import Staged
from ignite_assets.tables.made import MadePartition
from ignite_assets_tests.conftest import NOW, YESTERDAY

EACH_ROW = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
PRIVATE = "JANE ROE"


def captured(endpoint: Endpoint, **facts: Any) -> MadePartition:
    return MadePartition(
        table=endpoint,
        website="acme-honda",
        date=YESTERDAY,
        made_at=NOW,
        staged=Staged(io.BytesIO(), 7, 99, "abc"),
        facts=facts,
    )


def recorded(made: MadePartition, location: str, seconds: float) -> dict[str, Any]:
    """The values that Dagster records of a partition."""
    event = dg.AssetMaterialization(made.table.name, metadata=partition_metadata(made, location, seconds))
    return {name: value.value for name, value in event.metadata.items()}


def rows_of(value: dg.MetadataValue) -> list[dict[str, str]]:
    """The rows of a table of texts, by column."""
    assert isinstance(value, dg.MarkdownMetadataValue)
    header, _, *rows = (re.split(r"(?<!\\)\|", line)[1:-1] for line in str(value.value).splitlines())
    return [dict(zip(header, row, strict=True)) for row in rows]


def filled(endpoint: Endpoint, value: object) -> dict[str, Any]:
    return {column.name: value for column in (*endpoint.columns, CAPTURED_AT)}


@EACH_ROW
def test_every_column_is_described_and_only_keys_are_required(endpoint: Endpoint) -> None:
    columns = column_schema(endpoint).columns
    assert all(column.description for column in columns)
    required = {column.name for column in columns if not column.constraints.nullable}
    assert required == {*endpoint.keys, CAPTURED_AT.name}


def shown(endpoint: Endpoint, *rows: dict[str, Any]) -> list[dict[str, str]]:
    """The rows of a preview, as its text says them."""
    return rows_of(preview(endpoint, rows))


@EACH_ROW
def test_no_personal_value_of_any_kind_is_shown_in_a_preview(endpoint: Endpoint) -> None:
    personal = {column.name for column in endpoint.columns if column.personal}
    for value in (PRIVATE, [PRIVATE], json.dumps({"name": PRIVATE}), 12.5):
        row = {name: value if name in personal else None for name in filled(endpoint, None)}
        (found,) = shown(endpoint, row)
        assert found == {column.name: MASK if column.personal else "" for column in endpoint.columns}


def test_a_preview_has_its_columns_and_few_rows() -> None:
    endpoint = by_name()["products"]
    assert str(preview(endpoint, []).value).splitlines()[0].strip("|").split("|") == [c.name for c in endpoint.columns]
    assert len(shown(endpoint, *[filled(endpoint, None)] * 5)) == 2


def test_a_missing_value_is_shown_as_missing_even_where_it_would_be_personal() -> None:
    endpoint = by_name()["locations"]
    (found,) = shown(endpoint, filled(endpoint, None))
    assert set(found.values()) == {""}


def test_what_the_platform_says_is_shown_as_it_is_and_changes_no_table() -> None:
    endpoint = by_name()["products"]
    title = "<img src=x onerror=alert(1)> | [a](javascript:b) \\ `c`\n*d*"
    row = {**filled(endpoint, None), "title": title, "year": 2023, "vin": "V"}
    text = str(preview(endpoint, [row, row]).value)
    assert len(text.splitlines()) == 4
    assert r"|\<img src=x onerror=alert(1)\> \| \[a\](javascript:b) \\ \`c\` \*d\*|" in text
    (found,) = shown(endpoint, row)
    assert (found["year"], found["vin"]) == ("2023", "V")


def test_a_partitions_facts_carry_what_its_capture_took() -> None:
    made = captured(by_name()["products"], requests=3, retries=0, coercions_by_column={"year": 2})
    facts = recorded(made, "/lake/p.parquet", 1.23456)
    del facts["preview"]
    assert facts == {
        "dagster/row_count": 7,
        "bytes": 99,
        "path": "/lake/p.parquet",
        "seconds": 1.235,
        "captured_at": NOW.timestamp(),
        "requests": 3,
        "coercions_by_column": {"year": 2},
    }


@EACH_ROW
def test_only_ids_that_were_asked_for_come_from_another_asset(endpoint: Endpoint) -> None:
    told = {name: found.value for name, found in lineage_metadata(endpoint).items()}
    source = dg.TableColumnDep(asset_key=dg.AssetKey("locations"), column_name="id")
    expected = {"dagster/column_lineage": dg.TableColumnLineage({"id": [source]})}
    assert told == (expected if endpoint.name == "location_details" else {})


def test_a_path_is_to_be_copied_and_a_url_to_be_followed() -> None:
    assert isinstance(place("/lake/part-0.parquet"), dg.PathMetadataValue)
    assert isinstance(place("s3://bucket/lake/part-0.parquet"), dg.UrlMetadataValue)


@pytest.mark.parametrize(
    ("root", "uri", "kinds"),
    [
        ("/data/lake", "file:///data/lake/visitors", set()),
        ("/data/my lake/", "file:///data/my%20lake/visitors", set()),
        ("s3://bucket/lake?access_key=a&secret_key=b", "s3://bucket/lake/visitors", {"s3"}),
        ("gs://bucket/lake/", "gs://bucket/lake/visitors", set()),
    ],
)
def test_an_asset_tells_where_it_is_and_nothing_of_how_to_get_in(root: str, uri: str, kinds: set[str]) -> None:
    assert storage_uri(root, "visitors") == uri
    assert storage_kinds(root) == kinds


@EACH_ROW
def test_the_vendors_section_is_linked_by_its_text(endpoint: Endpoint) -> None:
    page, fragment = endpoint.documentation_url.split("#:~:text=")
    assert page == "https://launchlabs.ai/api-docs"
    assert unquote(fragment) == endpoint.section
    assert not set(fragment) & set(" -,&")
