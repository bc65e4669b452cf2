"""The resource: a client for each website, and credentials that are read late and shown nowhere."""

import datetime as dt

import dagster as dg
import pyarrow as pa
import pytest

from ignite_assets.api.client import IgniteClient
from ignite_assets.api.endpoints import by_name
from ignite_assets.api.errors import ConfigurationError, CredentialsError, DateRefusedError, UnauthorizedError
from ignite_assets.api.horizon import Horizon, utc_now
from ignite_assets.config import Settings
from ignite_assets.dagster.resources import IgniteResource, WebsiteAccess
from ignite_assets.sandbox import SandboxServer
from ignite_assets.tables.capture import Capture
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import ACME, BAYSIDE, NOW, WEBSITES, YESTERDAY, set_credentials, variable

VISITORS = by_name()["visitors"]


def visitors(client: IgniteClient) -> int:
    """How many there were yesterday."""
    staged = Capture(client, VISITORS).one(YESTERDAY).staged
    with staged.file:
        return staged.rows


@pytest.fixture
def resource(settings: Settings) -> IgniteResource:
    return IgniteResource.from_settings(settings)


def test_it_asks_the_platform_for_a_website_with_that_websites_credentials(resource: IgniteResource) -> None:
    for site in WEBSITES:
        with resource.client(site.key, Horizon(now=frozen(NOW))) as client:
            assert visitors(client)
            assert client.website == site.key


def test_it_carries_every_limit_of_the_configuration(resource: IgniteResource, settings: Settings) -> None:
    platform, limits = settings.platform, resource.limits()
    assert limits.max_concurrency == platform.max_concurrency == 4
    assert limits.max_tries == platform.max_tries == 1
    assert limits.requests_per_second == platform.requests_per_second
    assert limits.timeout_seconds == platform.timeout_seconds
    assert limits.call_seconds == platform.call_seconds
    assert limits.max_body_bytes == platform.max_body_mib * 1024 * 1024


@pytest.mark.parametrize("value", [None, ""])
def test_credentials_that_are_missing_or_empty_are_named_both_at_once(
    resource: IgniteResource, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    for kind in ("token", "secret"):
        monkeypatch.delenv(variable(ACME.key, kind))
        if value is not None:
            monkeypatch.setenv(variable(ACME.key, kind), value)
    with pytest.raises(CredentialsError) as failure:
        resource.client(ACME.key)
    assert str(failure.value).splitlines() == [
        "credentials of acme-honda:",
        "  the environment variable ACME_HONDA_TOKEN is not set or empty",
        "  the environment variable ACME_HONDA_SECRET is not set or empty",
    ]
    resource.client(BAYSIDE.key).close()


def test_credentials_are_read_when_a_website_is_asked_for_and_not_before(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable(ACME.key, "token"))
    resource = IgniteResource.from_settings(settings)
    monkeypatch.setenv(variable(ACME.key, "token"), ACME.token)
    with resource.client(ACME.key, Horizon(now=frozen(NOW))) as client:
        assert visitors(client)


def test_credentials_that_are_not_utf8_are_named(resource: IgniteResource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable(ACME.key, "secret"), "caf\udce9")
    with pytest.raises(CredentialsError, match=f"{variable(ACME.key, 'secret')} is not UTF-8") as refused:
        resource.client(ACME.key)
    assert "caf" not in str(refused.value)


def test_a_website_that_is_not_configured_is_named_with_those_that_are(resource: IgniteResource) -> None:
    with pytest.raises(ConfigurationError, match=r"nobody is not configured; there are \['acme-honda', 'bayside-kia'"):
        resource.client("nobody")


def test_without_a_horizon_today_is_that_of_the_machine_in_the_configured_zone(resource: IgniteResource) -> None:
    with resource.client(ACME.key) as client, pytest.raises(DateRefusedError, match="beyond the platform's look-back"):
        Capture(client, VISITORS).one(dt.date(2020, 1, 1))


def test_no_secret_stands_in_the_resource_or_in_anything_dagster_shows_of_the_definitions(
    resource: IgniteResource, settings: Settings
) -> None:
    repository = build_defs(settings).get_repository_def()
    shown = [repr(resource), str(resource), repr(resource.access)]
    shown.append(
        repr({key: definition.config_schema for key, definition in repository.get_top_level_resources().items()})
    )
    with resource.client(ACME.key) as client:
        shown += [repr(client), repr(vars(client)["_credentials"])]
    for site in WEBSITES:
        assert not any(secret in text for text in shown for secret in (site.token, site.secret))
    assert "ACME_HONDA_TOKEN" in repr(resource.access)


def test_what_dagster_validates_for_every_run_does_not_grow_with_the_websites(settings: Settings) -> None:
    resource = build_defs(settings).get_repository_def().get_top_level_resources()["ignite"]
    shown = repr(resource.config_schema.default_value)
    assert settings.platform.base_url in shown
    assert ACME.key not in shown


def in_code(url: str) -> IgniteResource:
    """A resource without an `ignite.toml`, as a user's own definitions have it."""
    access = WebsiteAccess(token=dg.EnvVar(variable(ACME.key, "token")), secret=dg.EnvVar(variable(ACME.key, "secret")))
    return IgniteResource(base_url=url, websites={ACME.key: access}, max_tries=1)


def test_without_a_configuration_an_own_asset_asks_with_credentials_that_dagster_resolves(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.now = utc_now
    set_credentials(monkeypatch)
    read: list[pa.Table] = []

    @dg.asset
    def theirs(ignite: IgniteResource) -> None:
        read.append(ignite.read("visitors", website=ACME.key))
        assert ACME.secret not in repr(ignite) + str(ignite) + repr(ignite.access) + str(ignite.access)

    defs = dg.Definitions(assets=[theirs], resources={"ignite": in_code(sandbox.url)})
    snapshot = repr(defs.get_repository_def().get_top_level_resources()["ignite"].config_schema)
    assert ACME.secret not in snapshot
    with dg.DagsterInstance.ephemeral() as instance:
        assert defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance).success
    assert read[0].num_rows > 0
    assert read[0].schema.names == ["hashed_email", "algo", "captured_at"]


def test_outside_of_a_run_the_resource_reads_the_variables_itself_and_names_what_is_missing(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_credentials(monkeypatch)
    sandbox.now = utc_now
    resource = in_code(sandbox.url)
    assert resource.read("sales", website=ACME.key).schema.names == ["kind", "record", "captured_at"]
    with pytest.raises(ConfigurationError, match="location_details is not captured by itself"):
        resource.read("location_details", website=ACME.key)
    monkeypatch.delenv(variable(ACME.key, "token"))
    with pytest.raises(CredentialsError, match="ACME_HONDA_TOKEN is not set or empty"):
        resource.read("sales", website=ACME.key)
    with pytest.raises(ConfigurationError, match="neither secret nor secret_env is given"):
        WebsiteAccess(token_env="ANY").credentials("acme")
    monkeypatch.setenv(variable(ACME.key, "token"), "wrong")
    with pytest.raises(UnauthorizedError) as refused:
        resource.read("sales", website=ACME.key)
    assert refused.value.advice == "check the values of ACME_HONDA_TOKEN and ACME_HONDA_SECRET"
