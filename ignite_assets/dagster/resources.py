"""The resource that assets capture with: the platform's address, limits, and each website's credentials by name.

Credentials are configured as names of environment variables, which a `.env` file may hold too. They are read when their
website is captured: one that is missing fails one website, and no value ever stands in a definition, a run's
configuration or a `repr`.
"""

import contextlib
from collections.abc import Iterator
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
    from ignite_assets.api.client import IgniteClient


class WebsiteAccess(dg.Config):
    """How one website is asked for."""

    token_env: str = Field(description="Name of the environment variable that holds the website's token.")
    secret_env: str = Field(description="Name of the environment variable that holds the website's secret.")
    algo: str = Field(description="Hash algorithm of the website's e-mails: md5, sha1 or sha2.")
    env_file: str = Field(default="", description="A file with the variables, for those that the environment lacks.")

    def credentials(self, website: str) -> Credentials:
        """The website's credentials. Raises `CredentialsError` naming the variables that are missing or empty."""
        file = Path(self.env_file) if self.env_file else None
        found = {name: variable(name, file) or "" for name in (self.token_env, self.secret_env)}
        if missing := [name for name, value in found.items() if not value]:
            raise CredentialsError(website, missing)
        if unreadable := [name for name, value in found.items() if not _is_utf8(value)]:
            raise CredentialsError(website, unreadable, "is not UTF-8")
        return Credentials(found[self.token_env], found[self.secret_env])

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
            error.advice = f"check the values of {self.token_env} and {self.secret_env}"


def _setting(name: str) -> Any:
    """The default and the description of a setting of the platform."""
    field = Platform.model_fields[name]
    return Field(default=field.default, description=field.description)


def _is_utf8(value: str) -> bool:
    """Whether a variable's bytes were UTF-8; the interpreter keeps other bytes as lone surrogates."""
    return value.isascii() or not any("\udc80" <= character <= "\udcff" for character in value)


class IgniteResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The Ignite platform, website by website."""

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
        """The resource that `ignite.toml` describes."""
        return cls(
            websites={
                key: WebsiteAccess(
                    token_env=w.token_env,
                    secret_env=w.secret_env,
                    algo=settings.algo(key),
                    env_file=str(settings.env_file),
                )
                for key, w in settings.websites.items()
            },
            timezone=settings.partitions.timezone,
            **settings.platform.model_dump(exclude={"algo"}),
        )

    def client(self, website: str, horizon: Horizon | None = None) -> "IgniteClient":
        """A client for one website; close it. Raises `ConfigurationError` without the website or its credentials."""
        from ignite_assets.api.client import IgniteClient  # 0.07 s, which loading the definitions need not take

        access = self.websites.get(website)
        if access is None:
            raise ConfigurationError("websites", [f"{website} is not configured; there are {sorted(self.websites)}"])
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

    def limits(self) -> Limits:
        """What a client allows itself. Raises `ValueError` for a value that the settings don't allow."""
        names = set(Platform.model_fields) - {"base_url", "algo"}
        return Platform(**{name: getattr(self, name) for name in names}).limits
