"""What Dagster shows: column schemas and previews, derived from the rows of the table."""

import io
import json
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


def filled(endpoint: Endpoint, value: object) -> dict[str, Any]:
    return {column.name: value for column in (*endpoint.columns, CAPTURED_AT)}


@EACH_ROW
def test_every_column_is_described_and_only_keys_are_required(endpoint: Endpoint) -> None:
    columns = column_schema(endpoint).columns
    assert all(column.description for column in columns)
    required = {column.name for column in columns if not column.constraints.nullable}
    assert required == {*endpoint.keys, CAPTURED_AT.name}


@EACH_ROW
def test_no_personal_value_of_any_kind_is_shown_in_a_preview(endpoint: Endpoint) -> None:
    personal = {column.name for column in endpoint.columns if column.personal}
    for value in (PRIVATE, [PRIVATE], json.dumps({"name": PRIVATE}), 12.5):
        row = {name: value if name in personal else None for name in filled(endpoint, None)}
        shown = preview(endpoint, [row])
        assert isinstance(shown, dg.TableMetadataValue)
        assert {name: shown.records[0].data[name] for name in personal} == dict.fromkeys(personal, MASK)
        assert PRIVATE not in repr(shown)


@EACH_ROW
def test_a_preview_of_nothing_has_its_columns(endpoint: Endpoint) -> None:
    shown = preview(endpoint, [])
    assert isinstance(shown, dg.TableMetadataValue)
    assert shown.records == []
    assert [column.name for column in shown.schema.columns] == [*filled(endpoint, None)]


def test_a_missing_value_is_shown_as_missing_even_where_it_would_be_personal() -> None:
    endpoint = by_name()["locations"]
    shown = preview(endpoint, [filled(endpoint, None)])
    assert isinstance(shown, dg.TableMetadataValue)
    assert set(shown.records[0].data.values()) == {None}


def test_lists_and_times_are_shown_as_text_and_numbers_as_numbers() -> None:
    endpoint = by_name()["audience_groups"]
    row = {**filled(endpoint, None), "id": 61, "brands": ["HONDA"], "captured_at": "2026-11-20 09:30:12Z"}
    shown = preview(endpoint, [row])
    assert isinstance(shown, dg.TableMetadataValue)
    data = shown.records[0].data
    assert (data["id"], data["brands"], data["captured_at"]) == (61, "['HONDA']", "2026-11-20 09:30:12Z")


def test_a_partitions_facts_carry_what_its_capture_took() -> None:
    made = captured(by_name()["products"], requests=3, coercions_by_column={"year": 2})
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
        "content_hash": "abc",
        "documentation": "https://launchlabs.ai/api-docs#:~:text=Products",
    }


@EACH_ROW
def test_only_ids_that_were_asked_for_come_from_another_asset(endpoint: Endpoint) -> None:
    told = {name: found.value for name, found in lineage_metadata(endpoint).items()}
    source = dg.TableColumnDep(asset_key=dg.AssetKey("locations"), column_name="id")
    expected = {"dagster/column_lineage": dg.TableColumnLineage({"id": [source]})}
    assert told == (expected if endpoint.name == "location_details" else {})
    shown = recorded(captured(endpoint), "", 0.5)
    assert {name: value for name, value in shown.items() if name.endswith("lineage")} == told


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
