"""The holds on Dagster that aren't public API are where we hold them, and there are no others."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from alembic.script import ScriptDirectory
from dagster._annotations import is_public
from dagster._check import CheckError
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.storage import sql, tags
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage

from ignite_assets.dagster import private
from ignite_assets.dagster.io_manager import ParquetIOManager
from ignite_assets.dagster.partitions import ASKED, DERIVED, LISTED
from ignite_assets.dagster.private import MEMBERS, TargetMaterialization, held_open, log_together, plan_ranges_as_one
from ignite_assets_tests.layers import MODULES, room_of

SOURCES = {
    module: path.read_text(encoding="utf-8")
    for module, path in MODULES.items()
    if room_of(module) in ("dagster", "cli") and module != "dagster.private"
}
SUBJECTS = {"instance": dg.DagsterInstance, "event": dg.DagsterEvent}
"""What our variables of these names are."""


def is_marked_public(owner: type, name: str) -> bool:
    member = getattr(owner, name)
    return bool(is_public(member.fget if isinstance(member, property) else member))


def test_the_installed_dagster_is_of_the_series_that_the_holds_were_checked_with() -> None:
    assert dg.__version__.split(".")[:2] == private.CHECKED_WITH.split(".")[:2]


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_that_is_held_is_there_and_still_not_public(member: str) -> None:
    owner, _, name = member.partition(".")
    assert not is_marked_public(getattr(dg, owner), name)


def test_every_member_that_is_not_public_is_listed_and_used() -> None:
    used = {
        f"{owner.__name__}.{name}"
        for source in SOURCES.values()
        for subject, owner in SUBJECTS.items()
        for name in re.findall(rf"\b_?{subject}\.([a-z]\w*)", source)
        if hasattr(owner, name) and not is_marked_public(owner, name)
    }
    owners = {owner.__name__ for owner in SUBJECTS.values()}
    listed = {member for member in MEMBERS if member.partition(".")[0] in owners}
    assert (
        used | {"DagsterInstance.root_directory", "DagsterInstance.event_log_storage"} == listed
    )  # of `private` alone
    others = {member.partition(".")[2] for member in set(MEMBERS) - listed}
    assert {name for name in others if not any(f".{name}(" in source for source in SOURCES.values())} == set()


HOLDS = re.compile(r"dagster\._|dagster_shared|DAGSTER_EMIT|['\"]dagster/(?:asset_partition_range|partition['\"])")


@pytest.mark.parametrize("module", SOURCES)
def test_no_other_module_holds_on_to_what_is_not_public(module: str) -> None:
    assert HOLDS.findall(SOURCES[module]) == []


def test_the_tags_are_those_that_dagster_sets() -> None:
    assert private.RANGE_START == tags.ASSET_PARTITION_RANGE_START_TAG
    assert private.RANGE_END == tags.ASSET_PARTITION_RANGE_END_TAG
    assert private.PARTITION == tags.PARTITION_NAME_TAG
    assert private.DATA_VERSION == DATA_VERSION_TAG


def test_the_type_of_an_evaluations_target_is_the_one_that_dagster_takes() -> None:
    target = TargetMaterialization(storage_id=1, run_id="run", timestamp=0.0)
    evaluation = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("visitors"), check_name="c", passed=True, metadata={}, target_materialization_data=target
    )
    assert evaluation.target_materialization_data is target


def test_a_range_is_planned_as_one_event(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    days = dg.DailyPartitionsDefinition("2026-11-01")
    ranged = {private.RANGE_START: "2026-11-02", private.RANGE_END: "2026-11-05"}

    @dg.asset(partitions_def=days, backfill_policy=dg.BackfillPolicy.single_run())
    def anything() -> None: ...

    def planned() -> int:
        result = dg.materialize([anything], instance=instance, tags=ranged, raise_on_error=False)
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        return len(instance.all_logs(result.run_id, of_type=kind))

    before = planned()
    plan_ranges_as_one()
    assert (before, planned()) == (4, 1)


def journals(instance: dg.DagsterInstance) -> set[str]:
    """The record files that somebody has open: SQLite deletes the journal when the last connection is closed."""
    return {path.name.removesuffix(".db-wal") for path in Path(instance.root_directory).rglob("*.db-wal")}


def test_records_are_held_open_until_the_end_and_are_all_there_then(instance: dg.DagsterInstance) -> None:
    with held_open(instance):
        instance.report_runless_asset_event(dg.AssetMaterialization("anything"))
        assert journals(instance) == {"index"}
    assert journals(instance) == set()
    assert instance.all_asset_keys() == [dg.AssetKey("anything")]


def test_an_engine_is_kept_for_each_file(instance: dg.DagsterInstance) -> None:
    storage: Any = instance.event_log_storage
    connects = (storage.index_connection, storage.index_connection, lambda: storage.run_connection("a-run"))

    def engine(connect: Callable[[], Any]) -> object:
        with connect() as connection:
            return connection.engine

    with held_open(instance):
        index, again, run = (engine(connect) for connect in connects)

    assert index is again
    assert run is not index


def test_the_scripts_of_dagsters_migrations_are_read_once_and_those_of_others_as_ever() -> None:
    private.keep_migrations()
    files = (sqlite_event_log.__file__, sqlite_run_storage.__file__)
    configs = [sql.get_alembic_config(file) for file in files]
    first, second = map(ScriptDirectory.from_config, configs)
    assert first is second
    assert first.as_revision_number("head") == ScriptDirectory(first.dir).as_revision_number("head")
    other = sql.get_alembic_config(files[0], script_location="dagster:_core/storage/alembic/../alembic")
    assert ScriptDirectory.from_config(other) is not ScriptDirectory.from_config(other)


DAYS = dg.DailyPartitionsDefinition("2026-11-01")
KEYS = [f"2026-11-{day:02}" for day in range(1, 6)]


def ranged_run(instance: dg.DagsterInstance, events: Iterator[dg.AssetCheckEvaluation] | None = None) -> str:
    """The id of a run over five partitions, which logs these events besides."""

    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def anything(context: dg.AssetExecutionContext) -> None:
        log_together(context, events or ())

    tags = {private.RANGE_START: KEYS[0], private.RANGE_END: KEYS[-1]}
    return dg.materialize([anything], instance=instance, tags=tags, raise_on_error=False).run_id


def doubts(keys: Iterable[str]) -> Iterator[dg.AssetCheckEvaluation]:
    """An evaluation of each of these partitions."""
    for key in keys:
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("anything"), check_name="usual", passed=False, metadata={}, partition=key
        )


def kinds(instance: dg.DagsterInstance, run: str) -> list[str]:
    """The types of a run's events, in their order."""
    return [log.dagster_event.event_type_value for log in instance.all_logs(run) if log.dagster_event]


def test_what_is_stored_in_batches_is_what_is_stored_one_by_one(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, asked = dg.AssetKey("anything"), Counter[str]()
    storage: Any = type(instance.event_log_storage)
    has_table = storage.has_table

    def counted(self: Any, name: str) -> bool:
        asked[name] += 1
        return bool(has_table(self, name))

    monkeypatch.setattr(storage, "has_table", counted)
    with dg.DagsterInstance.ephemeral() as other:
        alone = kinds(other, ranged_run(other, doubts(KEYS * 2)))
    with held_open(instance):
        run = ranged_run(instance, doubts(KEYS * 2))  # the second of each is an update, as in a further try
    assert kinds(instance, run) == alone
    assert set(asked.values()) == {1}
    assert instance.get_materialized_partitions(key) == set(KEYS)
    found = instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(key, "usual"), limit=9)
    assert [record.partition for record in found] == KEYS[::-1]
    last = instance.fetch_materializations(key, limit=1).records[0]
    (asset,) = instance.get_asset_records([key])
    assert asset.asset_entry.last_materialization_record == last
    assert asset.asset_entry.last_run_id == run


def test_all_partitions_of_a_step_are_recorded_at_once(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "1")  # quicker
    with held_open(instance):
        storage = type(instance.event_log_storage)
        store, sizes = storage.store_event_batch, list[int]()

        def counted(self: Any, events: Any) -> None:
            sizes.append(len(events))
            store(self, events)

        counted.in_one_transaction = True  # type: ignore[attr-defined]  # as the one that it calls
        monkeypatch.setattr(storage, "store_event_batch", counted)
        most = max(policy.max_partitions_per_run or 0 for policy in (ASKED, LISTED, DERIVED))
        days = dg.DailyPartitionsDefinition("2026-01-01")

        @dg.asset(partitions_def=days, backfill_policy=DERIVED)
        def anything() -> None: ...

        keys = days.get_partition_keys()[:most]
        tags = {private.RANGE_START: keys[0], private.RANGE_END: keys[-1]}
        dg.materialize([anything], instance=instance, tags=tags)
    assert most in sizes


def test_events_that_were_logged_before_a_failure_are_stored(instance: dg.DagsterInstance) -> None:
    def failing() -> Iterator[dg.AssetCheckEvaluation]:
        yield from doubts(KEYS * 20)  # a batch
        raise ValueError

    with held_open(instance):
        stored = kinds(instance, ranged_run(instance, failing()))
    assert stored.count("ASSET_CHECK_EVALUATION") == 100
    assert stored.count("STEP_FAILURE") == 1


def test_a_batch_is_stored_as_a_whole_or_not_at_all(instance: dg.DagsterInstance) -> None:
    with dg.DagsterInstance.ephemeral() as other:
        run = ranged_run(other)
        events = list(other.all_logs(run))
    with held_open(instance), pytest.raises(CheckError):
        instance.event_log_storage.store_event_batch([*events, "no event"])  # type: ignore[list-item]  # on purpose
    assert list(instance.all_logs(run)) == []
    assert instance.get_materialized_partitions(dg.AssetKey("anything")) == set()


def test_an_instance_without_such_files_is_left_alone() -> None:
    with dg.DagsterInstance.ephemeral() as instance, held_open(instance, "no-such-run"):
        assert not list(Path(instance.root_directory).rglob("*.db"))


def test_a_run_holds_its_records_open_and_lets_go_of_them(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    seen: list[set[str]] = []

    @dg.asset
    def anything(io_manager: dg.ResourceParam[ParquetIOManager]) -> None:
        assert io_manager.root
        seen.append(journals(instance))

    result = dg.materialize(
        [anything], instance=instance, resources={"io_manager": ParquetIOManager(root=str(tmp_path))}
    )
    assert seen == [{"index", result.run_id}]
    assert journals(instance) == set()
