"""The asset `audience_exports`: what Dagster is told of what was sent and held, and which days are never sent."""

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.assets import exports as audience_exports
from ignite_assets.dagster.assets.exports import ASSET, CHECK, LISTS, Row, rows_of
from ignite_assets.dagster.partitions import partition_key
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import (
    ACME,
    BAYSIDE,
    NOW,
    QUIET,
    SUMMIT,
    YESTERDAY,
    Runner,
    contents,
    days_ago,
    reasons,
    retries,
)
from ignite_assets_tests.uploads import newest, read_upload

EXPORTS = """
[[exports]]
name = "everyone"
source = "visitors"
destination = "meta_custom_audience"
websites = ["acme-honda", "bayside-kia"]
window_days = 1
min_members = 1
max_shrink = 1.0
[[exports]]
name = "large"
source = "visitors"
destination = "google_customer_match"
websites = ["acme-honda"]
window_days = 1
min_members = 100000
"""


@pytest.fixture
def settings(config_file: Path) -> Settings:
    config_file.write_text(config_file.read_text() + EXPORTS)
    return load_settings(config_file)


def export(
    runner: Runner, website: str = ACME.key, age: int = 1, defs: dg.Definitions | None = None, **config: Any
) -> dg.ExecuteInProcessResult:
    job = (defs or runner.defs).resolve_job_def(audience_exports.JOB)
    return job.execute_in_process(
        instance=runner.instance,
        partition_key=partition_key(days_ago(age), website),
        raise_on_error=False,
        run_config={"ops": {ASSET: {"config": config}}, "loggers": QUIET},
    )


def rows(result: dg.ExecuteInProcessResult) -> dict[str, Row]:
    (event,) = result.get_asset_materialization_events()
    return {str(row["export"]): row for row in rows_of(event.materialization)}


def check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.check_name == CHECK
    return evaluation


def exports_of(settings: Settings) -> Path:
    return settings.path.parent / "exports"


# What it is.


def test_without_exports_there_is_neither_asset_nor_job(config_file: Path) -> None:
    graph = build_defs(load_settings(config_file), now=frozen(NOW)).resolve_asset_graph()
    assert dg.AssetKey(ASSET) not in graph.get_all_asset_keys()


def test_it_is_partitioned_as_its_sources_and_follows_from_them(settings: Settings) -> None:
    text = settings.path.read_text()
    settings.path.write_text(text + '[[exports]]\nname = "a"\nsource = "audiences"\ndestination = "plain_list"\n')
    graph = build_defs(load_settings(settings.path), now=frozen(NOW)).resolve_asset_graph()
    node = graph.get(dg.AssetKey(ASSET))
    assert {key.to_user_string() for key in node.parent_keys} == {"visitors", "audiences", "audience_members"}
    assert node.partitions_def == graph.get(dg.AssetKey("visitors")).partitions_def
    assert node.tags["ignite/personal_data"] == "true"
    assert node.kinds == {"meta", "google", "file"}


# What is told.


def test_the_metadata_is_a_table_of_what_was_sent_and_held(runner: Runner, settings: Settings) -> None:
    runner.day(["visitors"])
    result = export(runner)
    assert result.success
    found = rows(result)
    upload = read_upload(newest(exports_of(settings) / "everyone" / f"website={ACME.key}"))
    members = len(upload.of("add"))
    assert found["everyone"] == {
        "website": ACME.key,
        "export": "everyone",
        "audience": "",
        "date": str(YESTERDAY),
        "status": "written",
        "members": members,
        "adds": members,
        "removes": 0,
        "suppressed": 0,
        "malformed": 0,
        "reasons": "",
        "folder": str(newest(exports_of(settings) / "everyone" / f"website={ACME.key}")),
    }
    assert (found["large"]["status"], found["large"]["folder"]) == ("held", "")
    (event,) = result.get_asset_materialization_events()
    told = event.materialization.metadata
    assert (told["written"].value, told["held"].value, told["failed"].value) == (1, 1, 0)
    assert isinstance(told[LISTS], dg.TableMetadataValue)


def test_long_exports_tell_the_event_log_of_their_lists(runner: Runner, request: pytest.FixtureRequest) -> None:
    runner.day(["visitors"])
    quick = export(runner)
    request.getfixturevalue("chatty")
    slow = export(runner)
    said = {
        run.run_id: [each.user_message for each in runner.instance.all_logs(run.run_id) if not each.dagster_event]
        for run in (quick, slow)
    }
    assert said[quick.run_id] == []
    assert [line.partition(", ")[0] for line in said[slow.run_id]] == ["1 of 1 lists"] * 2


def test_the_check_fails_with_the_reasons_of_what_was_held(runner: Runner) -> None:
    runner.day(["visitors"])
    evaluation = check(export(runner))
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.ERROR
    assert evaluation.description
    assert "1 of 2 lists were held: their last export stands; large: " in evaluation.description
    assert "members, fewer than 100,000" in str(evaluation.metadata["large"].value)


def test_the_check_is_of_its_partition_so_that_another_website_does_not_cover_it(runner: Runner) -> None:
    for site in (ACME, BAYSIDE):
        runner.day(["visitors"], website=site.key)
    held, sent = check(export(runner)), check(export(runner, BAYSIDE.key))
    assert (held.passed, held.partition) == (False, f"{YESTERDAY}|{ACME.key}")
    assert (sent.passed, sent.partition) == (True, f"{YESTERDAY}|{BAYSIDE.key}")


def test_a_website_that_no_export_covers_says_so(runner: Runner) -> None:
    result = export(runner, SUMMIT.key)
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata[LISTS].value == "no export covers this website"
    assert check(result).passed


# What a run may ask for.


def test_force_sends_what_is_held_and_its_reason_is_recorded(runner: Runner, settings: Settings) -> None:
    runner.day(["visitors"])
    result = export(runner, names=["large"], force="the platform agreed")
    assert {name: row["status"] for name, row in rows(result).items()} == {"large": "written"}
    assert check(result).passed
    manifest = read_upload(newest(exports_of(settings) / "large" / f"website={ACME.key}")).manifest
    assert manifest["forced"] == "the platform agreed"
    assert "fewer than 100,000" in manifest["reasons"][0]


def test_names_choose_exports(runner: Runner) -> None:
    runner.day(["visitors"])
    assert set(rows(export(runner, names=["everyone"]))) == {"everyone"}


def test_an_unknown_name_fails_the_run(runner: Runner) -> None:
    result = export(runner, names=["nobody"])
    assert reasons(result) == {ASSET: "there is no export nobody; there are everyone, large"}


# Days.


def test_an_old_day_that_is_materialized_by_hand_is_never_sent(runner: Runner, settings: Settings) -> None:
    runner.days(["visitors"], days_ago(2), YESTERDAY)
    export(runner)
    before = contents(str(exports_of(settings)))
    result = export(runner, age=2)
    assert contents(str(exports_of(settings))) == before
    assert rows(result)["everyone"]["reasons"] == f"a newer day was written: {YESTERDAY}"
    assert not check(result).passed
    export(runner, age=2, names=["everyone"], force="please")
    assert contents(str(exports_of(settings))) == before, "not even by force"


def test_a_day_that_was_not_captured_is_held(runner: Runner, settings: Settings) -> None:
    result = export(runner)
    assert rows(result)["everyone"]["status"] == "held"
    assert f"1 day of the window not captured: {YESTERDAY}" in str(rows(result)["everyone"]["reasons"])
    assert not exports_of(settings).exists()


# Failures.


def test_an_export_that_fails_leaves_the_others_alone_and_is_told(runner: Runner, settings: Settings) -> None:
    runner.day(["visitors"])
    exports_of(settings).mkdir()
    (exports_of(settings) / "everyone").write_text("in the way")
    result = export(runner, force="so that the other is sent")
    assert not result.success
    found = rows(result)
    assert (found["everyone"]["status"], found["large"]["status"]) == ("failed", "written")
    assert not check(result).passed
    assert reasons(result)[ASSET].startswith(f"everyone: everyone {ACME.key}: ")


def test_an_export_that_fails_is_tried_again_where_runs_are(runner: Runner, settings: Settings) -> None:
    runner.day(["visitors"])
    exports_of(settings).mkdir()
    (exports_of(settings) / "everyone").write_text("in the way")
    defs = build_defs(settings, now=frozen(NOW), retry_policy=dg.RetryPolicy(max_retries=1))
    result = export(runner, defs=defs)
    assert retries(result) == 1
    (exports_of(settings) / "everyone").unlink()
    shutil.rmtree(exports_of(settings))
    assert export(runner, defs=defs).success


def test_an_export_made_again_changes_nothing_that_is_there_but_the_pointer(runner: Runner, settings: Settings) -> None:
    runner.day(["visitors"])
    export(runner)
    before = contents(str(exports_of(settings)))
    export(runner)
    after = contents(str(exports_of(settings)))
    changed = [name for name in before if after[name] != before[name]]
    assert changed == [f"everyone/website={ACME.key}/manifest.json"]
    assert read_upload(newest(exports_of(settings) / "everyone" / f"website={ACME.key}")).files == {}
