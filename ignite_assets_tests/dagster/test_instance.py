"""Where runs are recorded."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy

from ignite_assets.api.errors import ConfigurationError
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.instance import DAGSTER_YAML, dagster_home, missing_lines, open_instance, prepare_home
from ignite_assets_tests.conftest import WEBSITES, config_text


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")


def test_without_dagster_home_it_is_beside_the_lake(settings: Settings) -> None:
    assert dagster_home(settings) == settings.path.parent / "dagster_home"


def test_it_is_beside_the_configuration_when_the_lake_is_a_bucket(tmp_path: Path) -> None:
    path = tmp_path / "ignite.toml"
    path.write_text(config_text("https://example.com", WEBSITES).replace('"lake"', '"s3://bucket/lake"'))

    assert dagster_home(load_settings(path)) == tmp_path / "dagster_home"


def test_dagster_home_names_it(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", "some/home")

    assert dagster_home(settings) == tmp_path / "some/home"


def test_a_new_one_sends_no_telemetry_and_runs_one_website_once_at_a_time(tmp_path: Path) -> None:
    with open_instance(tmp_path / "home") as instance:
        assert instance.telemetry_enabled is False
        settings = instance.get_concurrency_config().run_queue_config
        assert settings
        assert [limit["key"] for limit in settings.tag_concurrency_limits] == [
            "dagster/partition/website",
            "ignite/website",
        ]


def test_one_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: true}\n")

    prepare_home(tmp_path)

    assert (tmp_path / "dagster.yaml").read_text() == "telemetry: {enabled: true}\n"


class Interrupted(sqlite3.Connection):
    """A connection that is interrupted while it closes."""

    def close(self) -> None:
        super().close()
        raise KeyboardInterrupt


def test_an_interrupt_while_a_connection_closes_is_raised_and_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_instance(tmp_path / "home"):
        pass
    engine = sqlalchemy.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(":memory:", factory=Interrupted), poolclass=sqlalchemy.NullPool
    )
    with pytest.raises(KeyboardInterrupt):
        engine.connect().close()
    assert caplog.records == []


def test_a_home_as_the_package_makes_it_lacks_nothing(tmp_path: Path) -> None:
    assert "telemetry" in missing_lines(tmp_path)
    (tmp_path / "dagster.yaml").write_text(DAGSTER_YAML)
    assert missing_lines(tmp_path) == ""


@pytest.mark.parametrize("text", ["[1", "text", "- 1"])
def test_a_home_whose_file_is_no_table_is_a_mistake(tmp_path: Path, text: str) -> None:
    (tmp_path / "dagster.yaml").write_text(text)

    with pytest.raises(ConfigurationError, match="not a table in YAML"):
        missing_lines(tmp_path)


def test_a_home_with_telemetry_on_lacks_the_line(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(DAGSTER_YAML.replace("enabled: false", "enabled: true"))

    assert missing_lines(tmp_path) == "telemetry:\n  enabled: false\n"
