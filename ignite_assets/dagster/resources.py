"""The resource that assets capture with: the platform's address, limits, and each website's credentials by name.

Credentials are configured as names of environment variables and read when their website is captured: one that is
missing fails one website, and no value ever stands in a definition, a run's configuration or a `repr`.
"""

import os
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from ignite_assets.api.errors import ConfigurationError, CredentialsError
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.patience import Limits
from ignite_assets.api.protocol import Credentials
from ignite_assets.api.table import Algo
from ignite_assets.config import Settings

if TYPE_CHECKING:
    from ignite_assets.api.client import IgniteClient


class WebsiteAccess(dg.Config):
    """How one website is asked for."""

    token_env: str = Field(description="Name of the environment variable that holds the website's token.")
    secret_env: str = Field(description="Name of the environment variable that holds the website's secret.")
    algo: str = Field(description="Hash algorithm of the website's e-mails: md5, sha1 or sha2.")

    def credentials(self, website: str) -> Credentials:
        """The website's credentials. Raises `CredentialsError` naming the variables that are missing or empty."""
        missing = [name for name in (self.token_env, self.secret_env) if not os.environ.get(name)]
        if missing:
            raise CredentialsError(website, missing)
        return Credentials(os.environ[self.token_env], os.environ[self.secret_env])


class IgniteResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The Ignite platform, website by website."""

    base_url: str = Field(description="The platform's address.")
    websites: dict[str, WebsiteAccess] = Field(description="Access to each website, by its key.")
    timezone: str = Field(default="UTC", description="The zone in which a day begins and ends.")
    max_concurrency: int = Field(default=32, description="Calls of one website under way at once.")
    requests_per_second: float = Field(default=0, description="Calls of one website begun in a second; 0: no cap.")
    max_tries: int = Field(default=5, description="Tries of one call, the first included.")
    timeout_seconds: float = Field(default=60, description="To connect, and between two reads.")
    max_body_mib: int = Field(default=1024, description="Largest answer accepted, in MiB, decoded.")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The resource that `ignite.toml` describes."""
        return cls(
            websites={
                key: WebsiteAccess(token_env=w.token_env, secret_env=w.secret_env, algo=settings.algo(key))
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
        )

    def limits(self) -> Limits:
        """What a client allows itself."""
        return Limits(
            max_concurrency=self.max_concurrency,
            requests_per_second=self.requests_per_second,
            max_tries=self.max_tries,
            timeout_seconds=self.timeout_seconds,
            max_body_bytes=self.max_body_mib << 20,
        )
