"""The settings: a model for each table of `ignite.toml`. The one place that knows a setting."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
)

from ignite_assets.api.table import Algo
from ignite_assets.audiences.rules import MAX_WINDOW_DAYS, ExportRule, Mode, Scope, Source
from ignite_assets.config.values import (
    URL_SCHEME,
    Allowed,
    BaseUrl,
    Date,
    DestinationName,
    ExportName,
    Location,
    MatchValues,
    Owner,
    TimeOfDay,
    Timezone,
    Variable,
    WebsiteKey,
)

CONFIG_FILE = "ignite.toml"
"""Where it is otherwise: in the working directory."""


class Table(BaseModel):
    """A table of the file: no unknown keys, no conversions, no changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class Platform(Table):
    """How the Ignite platform is called."""

    base_url: BaseUrl = Field("https://e.atrc.link", description="Address of the platform.")
    algo: Algo = Field(
        "sha2",
        description="Hash algorithm of e-mails; sha2 is SHA-256, what most ad platforms take.",
    )
    max_concurrency: int = Field(32, ge=1, le=256, description="Calls side by side for one website.")
    requests_per_second: float = Field(0, ge=0, description="Cap on calls a second for one website; 0 is no cap.")
    max_tries: int = Field(5, ge=1, le=20, description="Tries of one call, the first included.")
    timeout_seconds: float = Field(
        60, gt=0, le=3600, description="Longest wait for a connection, and for the next bytes."
    )
    max_body_mib: int = Field(1024, ge=1, description="Largest answer that is read, in MiB.")


class Partitions(Table):
    """Which days there are."""

    start_date: Date = Field(
        examples=["2026-09-01"], description="First day that can be captured; fixed, since it names the partitions."
    )
    timezone: Timezone = Field("UTC", description="Time zone in which days begin and schedules run.")

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)


class Storage(Table):
    """Where the lake is."""

    root: Location = Field("data/lake", description="Folder or bucket that holds the Parquet files.")


class Website(Table):
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


class Schedule(Table):
    """When things run, in the time zone of the partitions."""

    nightly: TimeOfDay = Field(dt.time(0, 30), description="When the day that just closed is captured.")
    heal: TimeOfDay = Field(dt.time(2, 30), description="When missing days are looked for and captured.")
    heal_runs_per_tick: int = Field(100, ge=1, description="Most runs that one look for missing days starts.")
    enabled: bool = Field(True, description="Whether both schedules are on when the code is first deployed.")


class Export(Table):
    """One rule that turns captured memberships into files for an ad platform."""

    name: ExportName = Field(examples=["used-shoppers-meta"], description="Names the export and its folder.")
    websites: tuple[str, ...] = Field(
        ("*",), strict=False, min_length=1, description="Keys of websites, or globs such as *-honda."
    )
    source: Source = Field(
        examples=["audiences"], description="Whose members: all visitors, audiences, or audience groups."
    )
    match: Annotated[
        Mapping[str, MatchValues], Allowed('a table such as { primary_category = "USED", brand = ["KIA", "HONDA"] }')
    ] = Field(
        {},
        examples=[{"primary_category": "USED"}],
        description="By field of the source (id always works), the values of which one has to be there.",
    )
    window_days: int = Field(30, ge=1, le=MAX_WINDOW_DAYS, description="Days of captures that make the list.")
    destination: DestinationName = Field(examples=["meta_custom_audience"], description="The ad platform.")
    to: Location = Field("exports", description="Folder or bucket for the files.")
    mode: Mode = Field("delta", description="Whole lists, or what changed since the last one.")
    combine: bool = Field(True, description="One list for all that match, or one for each audience.")
    min_members: int | None = Field(
        None, ge=0, examples=[1000], description="Hold smaller lists; the destination's own unless set."
    )
    max_shrink: float = Field(0.5, ge=0, le=1, description="Hold a list that would lose more than this share.")
    adds_when_incomplete: bool = Field(
        False, description="Whether people may be added while days of the window are missing."
    )
    list_ids: Annotated[Mapping[str, str], Allowed('a table such as { acme-honda = "123" }')] = Field(
        {},
        examples=[{"acme-honda": "123"}],
        description="By website, or website/audience id: the platform's id of the list.",
    )


class OptOuts(Table):
    """Where opt-outs are dropped, and what is done with them."""

    inbox: Location | None = Field(
        None, examples=["opt-outs"], description="Folder or bucket with one folder a website; none: no inbox."
    )
    keep_processed: bool = Field(False, description="Keep files of addresses after they were submitted.")
    scope: Scope = Field("website", description="Whether an opt-out counts for its website or for all.")
    max_url_chars: int = Field(4000, ge=500, le=16000, description="Longest URL of one submission.")


class DerivedAssets(Table):
    """How assets are computed from captures."""

    window_days: int = Field(
        30, ge=1, le=MAX_WINDOW_DAYS, description="Days of captures that each derived partition looks back on."
    )


class Checks(Table):
    """When the checks of a partition warn or fail. Shares are from 0 to 1."""

    coercions_share: float = Field(0.01, ge=0, le=1, description="Share of a column's values that may not fit it.")
    rows_fall: float = Field(0.5, ge=0, le=1, description="Share of the usual rows that may be missing.")
    rows_jump: float = Field(3.0, ge=1, description="How many times the usual rows there may be.")
    nesting_share: float = Field(
        0.01, ge=0, le=1, description="Share of a window that an older one may lack: people who opted out meanwhile."
    )


class Alerts(Table):
    """Who hears of failures."""

    webhook_env: Variable | None = Field(
        None,
        examples=["IGNITE_ALERTS_WEBHOOK"],
        description="Environment variable that holds the URL of a Slack-compatible webhook; none: no messages.",
    )
    deadline: TimeOfDay = Field(dt.time(6, 0), description="When the day that just closed should have landed.")


class Reports(Table):
    """The page that each website gets of a day."""

    to: Location = Field("reports", description="Folder or bucket for the pages.")
    at: TimeOfDay = Field(dt.time(6, 30), description="When the pages of the day that just closed are written.")
    personal_details: bool = Field(
        False, description="Whether pages show names and addresses of the best-scored locations: personal data."
    )


class Assets(Table):
    """How the assets are shown in Dagster."""

    owners: tuple[Owner, ...] = Field(
        (), strict=False, examples=[("team:marketing-data",)], description="Owners of every asset."
    )


class Settings(Table):
    """All of `ignite.toml`."""

    platform: Platform = Field(Platform(), description="How the platform is called.")
    partitions: Partitions = Field(description="Which days there are.")
    storage: Storage = Field(Storage(), description="Where the lake is.")
    websites: Annotated[
        Mapping[WebsiteKey, Website],
        Allowed("at least one table such as [websites.acme-honda] with token_env and secret_env"),
    ] = Field(min_length=1, description="The websites, one table each.")
    schedule: Schedule = Field(Schedule(), description="When things run.")
    exports: tuple[Export, ...] = Field((), strict=False, description="What is exported to ad platforms.")
    opt_outs: OptOuts = Field(OptOuts(), description="Where opt-outs are dropped, and what is done with them.")
    derived: DerivedAssets = Field(DerivedAssets(), description="How assets are computed from captures.")
    checks: Checks = Field(Checks(), description="When the checks of a partition warn or fail.")
    alerts: Alerts = Field(Alerts(), description="Who hears of failures.")
    reports: Reports = Field(Reports(), description="The page that each website gets of a day.")
    assets: Assets = Field(Assets(), description="How the assets are shown in Dagster.")

    _path: Path = PrivateAttr(default_factory=lambda: Path(CONFIG_FILE).absolute())

    def model_post_init(self, context: Any, /) -> None:
        """Remember where the settings came from."""
        if isinstance(context, Path):
            self._path = context

    @property
    def path(self) -> Path:
        """The file that the settings were read from, absolute."""
        return self._path

    @property
    def root(self) -> str:
        """Where the lake is: an absolute path, or the URL as configured, without a slash at its end."""
        return self.place(self.storage.root)

    def place(self, location: str) -> str:
        """A path of the file made absolute, or a URL as it is, without a slash at its end."""
        place = location.rstrip("/") or "/"
        if URL_SCHEME.match(place):
            return place
        return str((self.path.parent / Path(place).expanduser()).resolve())

    def rules(self) -> tuple[ExportRule, ...]:
        """The exports as rules, their places absolute."""
        return tuple(self._rule(export) for export in self.exports)

    def _rule(self, export: Export) -> ExportRule:
        return ExportRule(**dict(export) | {"to": self.place(export.to)})

    def algo(self, website: str) -> Algo:
        """The hash algorithm of a website; `KeyError` when there is no such website."""
        return self.websites[website].algo or self.platform.algo
