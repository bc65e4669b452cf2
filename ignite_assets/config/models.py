"""The settings: a model for each table of `ignite.toml`. The one place that knows a setting."""

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr

from ignite_assets.api.patience import Limits
from ignite_assets.api.section import AllowedText, Section
from ignite_assets.api.table import Algo
from ignite_assets.audiences.rules import MAX_WINDOW_DAYS, ExportRule, Scope
from ignite_assets.config.environment import ENV_FILE, variable, variables_of
from ignite_assets.config.values import (
    BaseUrl,
    CaptureTime,
    Date,
    KeyParts,
    Name,
    Owner,
    TimeOfDay,
    Timezone,
    Variable,
    WebsiteKey,
    WebUrl,
)
from ignite_assets.storage.location import URL_SCHEME, Location, beside
from ignite_assets.tables.thresholds import Thresholds

CONFIG_FILE = "ignite.toml"
"""Where it is otherwise: in the working directory."""


class Platform(Section):
    """How the Ignite platform is called."""

    base_url: BaseUrl = Field("https://e.atrc.link", description="Address of the platform.")
    algo: Algo = Field(
        "sha2",
        description="Hash algorithm of e-mails; sha2 is SHA-256, what most ad platforms take.",
    )
    max_concurrency: int = Field(
        Limits.max_concurrency, ge=1, le=256, description="Most calls at once for one website."
    )
    requests_per_second: float = Field(
        Limits.requests_per_second, ge=0, description="Most calls per second for one website; 0 means no limit."
    )
    max_tries: int = Field(
        Limits.max_tries,
        ge=1,
        le=20,
        description="Tries of one call, the first included; a 429 or 503 counts a quarter.",
    )
    timeout_seconds: float = Field(
        Limits.timeout_seconds, gt=0, le=3600, description="Longest wait for a connection, and for the next bytes."
    )
    call_seconds: float = Field(
        Limits.call_seconds,
        gt=0,
        le=86400,
        description="Longest time of one call, from its first try to its last byte.",
    )
    website_seconds: float = Field(
        Limits.website_seconds,
        gt=0,
        le=86400,
        description="Longest time without an answer before the run stops calling the website.",
    )
    max_body_mib: int = Field(Limits.max_body_bytes >> 20, ge=1, description="Largest answer that is read, in MiB.")

    @property
    def limits(self) -> Limits:
        """What a client allows itself."""
        return Limits(
            **self.model_dump(exclude={"base_url", "algo", "max_body_mib"}), max_body_bytes=self.max_body_mib << 20
        )


class Partitions(Section):
    """The days that have partitions."""

    start_date: Date = Field(
        examples=["2026-09-01"], description="First day that can be captured; fixed, since it names the partitions."
    )
    timezone: Timezone = Field("UTC", description="Time zone in which days begin and schedules run.")

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)


class Storage(Section):
    """Where the lake is."""

    root: Location = Field("data/lake", description="Folder or bucket that holds the Parquet files.")


class Website(Section):
    """One website with Ignite's tracking on it."""

    token_env: Variable = Field(
        examples=["ACME_HONDA_TOKEN"], description="Environment variable that holds the website's token."
    )
    secret_env: Variable = Field(
        examples=["ACME_HONDA_SECRET"], description="Environment variable that holds the website's secret."
    )
    algo: Algo | None = Field(
        None, examples=["sha2"], description="Hash algorithm of this website; `platform.algo` unless set."
    )
    name: str | None = Field(
        None, examples=["Acme Honda"], description="What reports call the website; made from its key unless set."
    )


class Schedule(Section):
    """When things run, in the time zone of the partitions."""

    nightly: CaptureTime = Field(dt.time(0, 30), description="Time at which the day that just closed is captured.")
    websites_per_run: int = Field(
        1,
        ge=1,
        le=500,
        description="Websites that a run of the night captures, one after the other; each lands, fails and is told of "
        "alone. More make fewer runs to queue where there are hundreds of websites.",
    )
    heal: CaptureTime = Field(dt.time(2, 30), description="Time at which missing days are captured.")
    heal_runs_per_tick: int = Field(100, ge=1, description="Most runs for missing days that a night starts.")
    prune: TimeOfDay = Field(
        dt.time(5, 0), description="Time at which old runs are deleted, with `dagster.keep_runs_days`."
    )
    enabled: bool = Field(
        True,
        description="Whether schedules and sensors are on; if not, nothing is written, submitted or sent by itself.",
    )


class OptOuts(Section):
    """Where opt-outs are dropped, and what is done with them."""

    inbox: Location | None = Field(
        None, examples=["opt-outs"], description="Folder or bucket with one folder a website; none: no inbox."
    )
    keep_processed: bool = Field(False, description="Keep files of addresses after they were submitted.")
    scope: Scope = Field("website", description="Whether an opt-out counts for its website or for all.")
    max_share: float = Field(
        0.2, ge=0, le=1, description="Share of any list that one file may take before somebody confirms it."
    )
    max_url_chars: int = Field(4000, ge=500, le=16000, description="Longest URL of one submission.")
    columns: Annotated[Mapping[str, str], AllowedText('a table such as { acme-honda = "Customer Email" }')] = Field(
        {},
        examples=[{"acme-honda": "Customer Email"}],
        description="By website, the column of those who opted out, for files that leave it open.",
    )


class DerivedAssets(Section):
    """How assets are computed from captures."""

    window_days: int = Field(
        30, ge=1, le=MAX_WINDOW_DAYS, description="Days of captures that a derived partition covers."
    )


class Alerts(Section):
    """Messages about failures."""

    webhook_env: Variable | None = Field(
        None,
        examples=["IGNITE_ALERTS_WEBHOOK"],
        description="Environment variable that holds the URL of a Slack-compatible webhook; needed for messages.",
    )
    dagster_url: WebUrl | None = Field(
        None,
        examples=["https://dagster.agency.example"],
        description="Address of Dagster's UI, for links from messages to runs.",
    )
    deadline: TimeOfDay = Field(dt.time(6, 0), description="Time by which the day that just closed must have landed.")


class Reports(Section):
    """The daily page of each website."""

    to: Location = Field("reports", description="Folder or bucket for the pages.")
    at: TimeOfDay = Field(dt.time(6, 30), description="Time at which the pages of the day are written.")
    agency: str | None = Field(
        None, examples=["Northwind Media"], description="Name of the agency that the pages come from."
    )
    logo: str | None = Field(
        None, examples=["logo.svg"], description="The agency's logo, a local SVG, PNG or JPEG file of at most 100 kB."
    )
    personal_details: bool = Field(
        False, description="Whether pages show names and addresses of the best-scored locations: personal data."
    )


class Dagster(Section):
    """How Dagster executes runs, and what it calls the assets, jobs and resources."""

    executor: Literal["in_process", "multiprocess", "celery", "k8s"] = Field(
        "in_process",
        description="What executes a run's steps: the run's process, a process for each, Celery's workers, or a "
        "Kubernetes pod for each. More processes take more CPU, each loading the code; spread runs rather than steps.",
    )
    broker_env: Variable = Field(
        "CELERY_BROKER_URL",
        description="Environment variable that holds the URL of the Redis server through which the executor celery "
        "reaches its workers.",
    )
    max_concurrent_runs: int | None = Field(
        None,
        ge=1,
        le=1_000,
        examples=[8],
        description="How many runs `ignite-assets materialize` executes at once, one a website; as many as the "
        "Dagster instance allows unless set, 4 where that has no limit. Runs that Dagster launches obey the instance.",
    )
    keep_runs_days: int | None = Field(
        None,
        ge=7,
        examples=[90],
        description="Days after which records of finished runs are deleted; what they made stays on record. Kept for "
        "ever unless set.",
    )
    key_prefix: KeyParts = Field((), examples=["east"], description="Prefix of every asset's key.")
    name_prefix: Name | None = Field(
        None,
        examples=["east"],
        description="Prefix of every job, schedule, sensor, resource and asset group, set off by `_`; `key_prefix` "
        "joined with `_` unless set.",
    )

    def named(self, name: str) -> str:
        """The name of a job, schedule, sensor, resource, op or asset group."""
        prefix = "_".join(self.key_prefix) if self.name_prefix is None else self.name_prefix
        return f"{prefix.rstrip('_')}_{name}" if prefix else name


class Assets(Section):
    """How the assets are shown in Dagster."""

    owners: tuple[Owner, ...] = Field(
        (), strict=False, examples=[("team:marketing-data",)], description="Owners of every asset."
    )


class Settings(Section):
    """All of `ignite.toml`."""

    platform: Platform = Field(Platform(), description="How the platform is called.")
    partitions: Partitions = Field(description="The days that have partitions.")
    storage: Storage = Field(Storage(), description="Where the lake is.")
    websites: Annotated[
        Mapping[WebsiteKey, Website],
        AllowedText("at least one table such as [websites.acme-honda] with token_env and secret_env"),
    ] = Field(min_length=1, description="The websites, one table for each.")
    schedule: Schedule = Field(Schedule(), description="When schedules run.")
    exports: tuple[ExportRule, ...] = Field((), strict=False, description="What is exported to ad platforms.")
    opt_outs: OptOuts = Field(OptOuts(), description="Where opt-outs are dropped, and what is done with them.")
    derived: DerivedAssets = Field(DerivedAssets(), description="How assets are computed from captures.")
    checks: Thresholds = Field(Thresholds(), description="When the checks of a partition warn or fail.")
    alerts: Alerts = Field(Alerts(), description="Messages about failures.")
    reports: Reports = Field(Reports(), description="The daily page of each website.")
    dagster: Dagster = Field(Dagster(), description="How Dagster executes and names things.")
    assets: Assets = Field(Assets(), description="How the assets are shown in Dagster.")

    _path: Path = PrivateAttr(default_factory=lambda: Path(CONFIG_FILE).absolute())

    def model_post_init(self, context: Any, /) -> None:
        """Remember where the settings came from."""
        if isinstance(context, Path):
            self._path = context

    def in_dagster(self, *, key_prefix: str | Sequence[str] | None, name_prefix: str | None) -> "Settings":
        """The same with other prefixes; None leaves one as it is. Raises `ValueError` for what can't be one."""
        given = {"key_prefix": key_prefix, "name_prefix": name_prefix}
        other = {key: each for key, each in given.items() if each is not None}
        return self.model_copy(update={"dagster": Dagster.model_validate(self.dagster.model_dump() | other)})

    @property
    def path(self) -> Path:
        """The file that the settings were read from, absolute."""
        return self._path

    @property
    def env_file(self) -> Path:
        """The file beside it that holds variables which the environment may lack, whether or not it is there."""
        return self.path.parent / ENV_FILE

    def variable(self, name: str) -> str | None:
        """The value of a variable that the file names; None where neither the environment nor `.env` has it."""
        return variable(name, self.env_file)

    def source(self, name: str) -> str:
        """Where the value of a variable comes from, in words."""
        held = name in variables_of(self.env_file)
        if name in os.environ:
            return f"the environment, which wins over {ENV_FILE}" if held else "the environment"
        return ENV_FILE if held else "nowhere"

    def variables(self) -> set[str]:
        """The names of the variables that the file names."""
        named = {name for each in self.websites.values() for name in (each.token_env, each.secret_env)}
        more = (self.alerts.webhook_env, self.dagster.broker_env if self.dagster.executor == "celery" else None)
        return named | {name for name in more if name}

    @property
    def root(self) -> str:
        """Where the lake is: an absolute path, or the URL as configured, without a slash at its end."""
        return self.place(self.storage.root)

    def place(self, location: str) -> str:
        """A path made absolute, or a URL as it is, without a slash at its end.

        A relative path stands beside the file; where the lake is on a URL, beside the lake, since another machine has
        nothing of what stands beside the file: an export would take its list for new there, and remove nobody.
        """
        place = location.rstrip("/") or "/"
        if URL_SCHEME.match(place):
            return place
        path = Path(place).expanduser()
        if URL_SCHEME.match(self.storage.root) and not path.is_absolute():
            return beside(self.storage.root, place)
        return str((self.path.parent / path).resolve())

    def places(self) -> dict[str, str]:
        """By setting, where files are: absolute paths and URLs."""
        found = {"storage.root": self.root}
        found |= {f"exports, {rule.name}: to": rule.to for rule in self.rules()}
        found["reports.to"] = self.place(self.reports.to)
        return found | ({"opt_outs.inbox": self.place(self.opt_outs.inbox)} if self.opt_outs.inbox else {})

    def rules(self) -> tuple[ExportRule, ...]:
        """The exports as rules, their places absolute."""
        return tuple(rule.model_copy(update={"to": self.place(rule.to)}) for rule in self.exports)

    def algo(self, website: str) -> Algo:
        """The hash algorithm of a website; `KeyError` when there is no such website."""
        return self.websites[website].algo or self.platform.algo

    def display_name(self, website: str) -> str:
        """What reports call a website: its `name`, or its key as words."""
        of = self.websites.get(website)
        return (of and of.name) or " ".join(
            word[:1].upper() + word[1:] for word in website.replace("_", "-").split("-")
        )

    def captured_hashes(self, website: str) -> frozenset[str]:
        """The algorithms, as the ledger names them, of the captures for which opt-outs of a website count."""
        websites = self.websites if self.opt_outs.scope == "all" else [website]
        algos = {self.algo(each) if each in self.websites else self.platform.algo for each in websites}
        return frozenset({"sha2": "sha256"}.get(algo, algo) for algo in algos)
