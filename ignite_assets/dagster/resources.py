"""The resource that assets capture with: the platform's address, limits, and each website's credentials by name.

Credentials are configured as names of environment variables, which a `.env` file may hold too, or as `dagster.EnvVar`
in code: no value ever stands in a definition, a run's configuration or a `repr`.
"""

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field, PrivateAttr

from ignite_assets.api.errors import ConfigurationError, CredentialsError, IgniteError, StoppedError, UnauthorizedError
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.patience import Limits
from ignite_assets.api.protocol import Credentials
from ignite_assets.api.table import Algo
from ignite_assets.config import Settings
from ignite_assets.config.environment import variable
from ignite_assets.config.models import Platform

IGNITE = "ignite"
"""The resource's name."""

if TYPE_CHECKING:
    import pyarrow as pa

    from ignite_assets.api.client import IgniteClient


class WebsiteAccess(dg.Config):
    """How one website is asked for: with names of environment variables, or with `dagster.EnvVar` in code.

    Names are read when the website is captured, so one that is missing fails one website. Dagster reads an `EnvVar`
    when a run begins: one that is missing fails every run. Never write a value: Dagster would store and show it.
    """

    token_env: str | None = Field(
        default=None, description="Name of the environment variable that holds the website's token."
    )
    secret_env: str | None = Field(
        default=None, description="Name of the environment variable that holds the website's secret."
    )
    token: str | None = Field(default=None, description="The website's token, as an EnvVar.", repr=False)
    secret: str | None = Field(default=None, description="The website's secret, as an EnvVar.", repr=False)
    algo: str = Field(default="sha2", description="Hash algorithm of the website's e-mails: md5, sha1 or sha2.")
    env_file: str = Field(default="", description="A file with the variables, for those that the environment lacks.")

    def credentials(self, website: str) -> Credentials:
        """The website's credentials. Raises `CredentialsError` naming the variables that are missing or empty."""
        given = {"token": (self.token, self.token_env), "secret": (self.secret, self.secret_env)}
        if unsaid := [kind for kind, sources in given.items() if not any(sources)]:
            said = [f"neither {kind} nor {kind}_env is given" for kind in unsaid]
            raise ConfigurationError(f"credentials of {website}", said)
        values = {kind: self._value(*sources) for kind, sources in given.items()}
        names = {kind: _variable(*sources) for kind, sources in given.items()}
        if missing := [names[kind] for kind, value in values.items() if not value]:
            raise CredentialsError(website, missing)
        if unreadable := [names[kind] for kind, value in values.items() if not _is_utf8(value)]:
            raise CredentialsError(website, unreadable, "is not UTF-8")
        return Credentials(values["token"], values["secret"])

    def _value(self, given: str | None, name: str | None) -> str:
        """What a credential is: a value that Dagster has resolved or not, else that of a variable."""
        if isinstance(given, dg.EnvVar):
            given = given.get_value()
        return (variable(name, Path(self.env_file) if self.env_file else None) if name else given) or ""

    @contextlib.contextmanager
    def advising(self) -> Iterator[None]:
        """Have errors about refused credentials name the variables that hold them."""
        try:
            yield
        except IgniteError as error:
            self.advise(error)
            raise

    def advise(self, error: IgniteError) -> None:
        """Name the variables that hold the credentials, if these are refused."""
        last = error.cause if isinstance(error, StoppedError) else error
        if isinstance(last, UnauthorizedError):
            names = [_variable(self.token, self.token_env), _variable(self.secret, self.secret_env)]
            error.advice = f"check the values of {' and '.join(names)}"


def _setting(name: str) -> Any:
    """The default and the description of a setting of the platform."""
    field = Platform.model_fields[name]
    return Field(default=field.default, description=field.description)


def _variable(given: str | None, name: str | None) -> str:
    """The name of the variable that holds a credential, as far as it is known; never the value."""
    return name or (given.env_var_name if isinstance(given, dg.EnvVar) else "its EnvVar")


def _is_utf8(value: str) -> bool:
    """Whether a variable's bytes were UTF-8; the interpreter keeps other bytes as lone surrogates."""
    return value.isascii() or not any("\udc80" <= character <= "\udcff" for character in value)


class IgniteResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The Ignite platform, website by website. Needs no `ignite.toml`."""

    base_url: str = _setting("base_url")
    websites: dict[str, WebsiteAccess] = Field(description="Access to each website, by its key.")
    timezone: str = Field(default="UTC", description="The zone in which a day begins and ends.")
    max_concurrency: int = _setting("max_concurrency")
    requests_per_second: float = _setting("requests_per_second")
    max_tries: int = _setting("max_tries")
    timeout_seconds: float = _setting("timeout_seconds")
    call_seconds: float = _setting("call_seconds")
    website_seconds: float = _setting("website_seconds")
    max_body_mib: int = _setting("max_body_mib")
    _run: str | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember the run, whose clients know together when a website is down."""
        self._run = context.run.run_id if context.run else None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The resource that `ignite.toml` describes.

        Its websites are not part of its configuration: Dagster looks at each of them a dozen times a run, which takes
        0.3 CPU seconds with 500 websites.
        """
        known = {
            key: WebsiteAccess(
                token_env=w.token_env,
                secret_env=w.secret_env,
                algo=settings.algo(key),
                env_file=str(settings.env_file),
            )
            for key, w in settings.websites.items()
        }

        class OfSettings(cls):  # type: ignore[valid-type, misc]  # Dagster makes further ones of an instance's class
            websites: dict[str, WebsiteAccess] = Field(default={}, description="Besides those of the settings.")

            @property
            def access(self) -> Mapping[str, WebsiteAccess]:
                return {**known, **self.websites}

        OfSettings.__name__, OfSettings.__qualname__ = cls.__name__, cls.__qualname__
        resource: Self = OfSettings(
            timezone=settings.partitions.timezone, **settings.platform.model_dump(exclude={"algo"})
        )
        return resource

    @property
    def access(self) -> Mapping[str, WebsiteAccess]:
        """Access to each website, by its key."""
        return self.websites

    def client(self, website: str, horizon: Horizon | None = None) -> "IgniteClient":
        """A client for one website; close it. Raises `ConfigurationError` without the website or its credentials."""
        from ignite_assets.api.client import IgniteClient  # 0.07 s, which loading the definitions need not take

        access = self.access.get(website)
        if access is None:
            raise ConfigurationError("websites", [f"{website} is not configured; there are {sorted(self.access)}"])
        algo: Algo = access.algo  # type: ignore[assignment]  # Dagster's configuration has no literals
        return IgniteClient(
            website=website,
            base_url=self.base_url,
            credentials=access.credentials(website),
            algo=algo,
            limits=self.limits(),
            horizon=horizon or Horizon(ZoneInfo(self.timezone)),
            run=self._run,
        )

    def read(self, asset: str, *, website: str, date: dt.date | None = None) -> "pa.Table":
        """What the platform answers, as a table with the asset's columns; nothing is stored.

        `date`: the look-back date; yesterday without it. Raises `IgniteError`, and `ConfigurationError` for an asset
        that isn't captured by itself.
        """
        import pyarrow.parquet as pq

        from ignite_assets.api.endpoints import by_name
        from ignite_assets.tables.capture import Capture

        alone = {name: each for name, each in by_name().items() if not (each.ids and each.ids.from_partition)}
        if asset not in alone:
            raise ConfigurationError("read", [f"{asset} is not captured by itself; there are {', '.join(alone)}"])
        with self.client(website) as client, self.access[website].advising():
            day = date or client.horizon.yesterday()
            staged = Capture(client, alone[asset]).one(day).staged
            with staged.file as file:
                table: pa.Table = pq.read_table(file)
        return table.replace_schema_metadata()

    def limits(self) -> Limits:
        """What a client allows itself. Raises `ValueError` for a value that the settings don't allow."""
        names = set(Platform.model_fields) - {"base_url", "algo"}
        return Platform(**{name: getattr(self, name) for name in names}).limits
