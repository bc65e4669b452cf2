"""`ignite.toml` read into typed settings.

The models are the one place that knows a setting: its type, what is allowed, its default and its description.
The messages about mistakes and the configuration reference derive from them, so adding a setting is adding a field.
Secrets are no settings: the file names environment variables, and nothing here reads those.
"""

import datetime as dt
import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo

from annotated_types import Ge, Gt, Le
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ignite_assets.api.addresses import base_url
from ignite_assets.api.endpoints import Algo
from ignite_assets.api.errors import ConfigurationError
from ignite_assets.api.names import is_website_key
from ignite_assets.audiences import destinations
from ignite_assets.audiences.rules import MAX_WINDOW_DAYS, ExportRule, Mode, Scope, Source, mistakes_together
from ignite_assets.audiences.rules import mistakes as mistakes_of

CONFIG_VARIABLE = "IGNITE_CONFIG"
"""The environment variable that says where the configuration is."""

CONFIG_FILE = "ignite.toml"
"""Where it is otherwise: in the working directory."""

EXAMPLE = """\
partitions.start_date = "2026-09-01"
[websites.acme-honda]
token_env = "ACME_HONDA_TOKEN"
secret_env = "ACME_HONDA_SECRET"
"""
"""The shortest configuration that works."""


# What is allowed: one validator and one phrase a kind of value.


@dataclass(frozen=True)
class Allowed:
    """What a kind of value may be, in words; for kinds whose type alone doesn't say it."""

    phrase: str


@dataclass(frozen=True)
class Unshown:
    """What messages say in place of a mistaken value that must not be shown."""

    phrase: str


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://")
_URL = re.compile(r"(?=.*://|.*:.*@)([a-z0-9+.-]*://)?(.*@)?([^?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_SECRET_IN_QUERY = re.compile(r"[?&][^=&]*(?:secret|password|token|key|sig)[^=&]*=", re.IGNORECASE)
_OWNER = re.compile(r"team:\S+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")  # what Dagster takes as an owner


def _website_key(key: str) -> str:
    """Keep keys that name a folder, part of a partition key and a run tag, on every operating system."""
    if not is_website_key(key):
        raise ValueError("not a website key")
    return key


def _variable(name: str) -> str:
    """Keep names of environment variables; refuse what is rather a secret in the place of its name."""
    random = any(len(word) >= 16 and any(map(str.isdigit, word)) for word in name.split("_"))
    if random or not _VARIABLE.fullmatch(name):
        raise ValueError("not the name of an environment variable")
    return name


def _date(value: object) -> object:
    if isinstance(value, str) and _DATE.fullmatch(value):
        return dt.date.fromisoformat(value)
    return value


def _time(value: object) -> object:
    if isinstance(value, str) and _TIME.fullmatch(value):
        return dt.time.fromisoformat(value)
    return value


def _minute(time: dt.time) -> dt.time:
    if time.second or time.microsecond:
        raise ValueError("finer than a minute")
    return time


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError) as error:  # not found; or a folder of the time zone database
        raise ValueError("not a time zone") from error
    return name


def _location(root: str) -> str:
    """Keep paths and URLs; credentials of object storage belong in the environment."""
    if not root.strip() or not root.isprintable():
        raise ValueError("neither a path nor a URL")
    scheme = _SCHEME.match(root)
    if "://" in root and not scheme:
        raise ValueError("not a URL")
    if scheme and (not root[scheme.end() :].strip("/") or "@" in root or _SECRET_IN_QUERY.search(root)):
        raise ValueError("a URL without a place, or with credentials")
    return root


def _owner(owner: str) -> str:
    if not _OWNER.fullmatch(owner):
        raise ValueError("not an owner")
    return owner


WebsiteKey = Annotated[
    str,
    AfterValidator(_website_key),
    Allowed(
        "1 to 63 lower-case letters a-z, digits and, inside only, '.', '_' and '-' (no '..', no Windows device name)"
    ),
]
Variable = Annotated[
    str,
    AfterValidator(_variable),
    Allowed("the name of an environment variable such as ACME_TOKEN, never the token or secret itself"),
    Unshown("a value that is not the name of an environment variable"),
]
BaseUrl = Annotated[
    str,
    AfterValidator(base_url),
    Allowed("an https URL, or an http one on loopback, without user, query or fragment"),
]
Date = Annotated[dt.date, BeforeValidator(_date), Allowed('a date such as "2026-09-01"')]
TimeOfDay = Annotated[
    dt.time,
    BeforeValidator(_time),
    AfterValidator(_minute),
    Allowed('a time of day from "00:00" to "23:59"'),
]
Timezone = Annotated[str, AfterValidator(_timezone), Allowed("an IANA time zone such as UTC or America/Chicago")]
Location = Annotated[
    str,
    AfterValidator(_location),
    Allowed("a path, relative to the configuration's folder or absolute, or a URL such as s3://bucket/lake"),
]
Owner = Annotated[str, AfterValidator(_owner), Allowed('"team:NAME" or an e-mail address')]


def _destination(name: str) -> str:
    if name not in destinations.by_name():
        raise ValueError("no such destination")
    return name


def _values(found: object) -> tuple[str | int, ...]:
    """One value, or a list of them."""
    values = found if isinstance(found, list) else [found]
    if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in values):
        raise ValueError("neither text nor a whole number")
    return tuple(values)


MatchValues = Annotated[
    tuple[str | int, ...],
    PlainValidator(_values),
    Allowed("text, a whole number, or a list of these"),
]
DestinationName = Annotated[str, AfterValidator(_destination), Allowed(f"one of {', '.join(destinations.by_name())}")]
ExportName = Annotated[
    str,
    AfterValidator(_website_key),
    Allowed("1 to 63 lower-case letters a-z, digits and, inside only, '.', '_' and '-' (no '..')"),
]


# The settings.


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

    start_date: Date = Field(description="First day that can be captured; fixed, since it names the partitions.")
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

    token_env: Variable = Field(description="Environment variable that holds the website's token.")
    secret_env: Variable = Field(description="Environment variable that holds the website's secret.")
    algo: Algo | None = Field(None, description="Hash algorithm of this website; `platform.algo` unless set.")


class Schedule(Table):
    """When things run, in the time zone of the partitions."""

    nightly: TimeOfDay = Field(dt.time(0, 30), description="When the day that just closed is captured.")
    heal: TimeOfDay = Field(dt.time(2, 30), description="When missing days are looked for and captured.")
    heal_runs_per_tick: int = Field(100, ge=1, description="Most runs that one look for missing days starts.")
    enabled: bool = Field(True, description="Whether both schedules are on when the code is first deployed.")


class Export(Table):
    """One rule that turns captured memberships into files for an ad platform."""

    name: ExportName = Field(description="Names the export and its folder.")
    websites: tuple[str, ...] = Field(
        ("*",), strict=False, min_length=1, description="Keys of websites, or globs such as *-honda."
    )
    source: Source = Field(description="Whose members: all visitors, audiences, or audience groups.")
    match: Annotated[
        Mapping[str, MatchValues], Allowed('a table such as { primary_category = "USED", brand = ["KIA", "HONDA"] }')
    ] = Field({}, description="By field of the source (id always works), the values of which one has to be there.")
    window_days: int = Field(30, ge=1, le=MAX_WINDOW_DAYS, description="Days of captures that make the list.")
    destination: DestinationName = Field(description="The ad platform.")
    to: Location = Field("exports", description="Folder or bucket for the files.")
    mode: Mode = Field("delta", description="Whole lists, or what changed since the last one.")
    combine: bool = Field(True, description="One list for all that match, or one for each audience.")
    min_members: int | None = Field(None, ge=0, description="Hold smaller lists; the destination's own unless set.")
    max_shrink: float = Field(0.5, ge=0, le=1, description="Hold a list that would lose more than this share.")
    adds_when_incomplete: bool = Field(
        False, description="Whether people may be added while days of the window are missing."
    )
    list_ids: Annotated[Mapping[str, str], Allowed('a table such as { acme-honda = "123" }')] = Field(
        {}, description="By website, or website/audience id: the platform's id of the list."
    )


class OptOuts(Table):
    """Where opt-outs are dropped, and what is done with them."""

    inbox: Location | None = Field(None, description="Folder or bucket with one folder a website; none: no inbox.")
    keep_processed: bool = Field(False, description="Keep files of addresses after they were submitted.")
    scope: Scope = Field("website", description="Whether an opt-out counts for its website or for all.")
    max_url_chars: int = Field(4000, ge=500, le=16000, description="Longest URL of one submission.")


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
        None, description="Environment variable that holds the URL of a Slack-compatible webhook; none: no messages."
    )
    deadline: TimeOfDay = Field(dt.time(6, 0), description="When the day that just closed should have landed.")


class Assets(Table):
    """How the assets are shown in Dagster."""

    owners: tuple[Owner, ...] = Field((), strict=False, description="Owners of every asset.")


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
    checks: Checks = Field(Checks(), description="When the checks of a partition warn or fail.")
    alerts: Alerts = Field(Alerts(), description="Who hears of failures.")
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
        if _SCHEME.match(place):
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


# Reading.


def load_settings(path: Path | None = None) -> Settings:
    """The settings of a file: the one given, else the one that `IGNITE_CONFIG` names, else `./ignite.toml`.

    Raises `ConfigurationError` with every mistake of the file, a line each.
    """
    path, reason = _find(path)
    document = _read(path, reason)
    # An absent table is read as an empty one, so that what it must hold is reported key by key.
    document = {"partitions": {}, "websites": {}} | document
    try:
        settings = Settings.model_validate(document, context=path)
    except ValidationError as error:
        mistakes = [_mistake(detail) for detail in error.errors(include_url=False, include_context=False)]
    else:
        mistakes = list(_mistakes_between(settings))
        if not mistakes:
            return settings
    raise ConfigurationError(str(path), mistakes)


def _mistakes_between(settings: Settings) -> Iterator[str]:
    """What no table shows by itself: an export against its source, its destination and the websites."""
    rules = settings.rules()
    for rule in rules:
        yield from (f"exports, {rule.name}: {mistake}" for mistake in mistakes_of(rule))
    algos = {website: settings.algo(website) for website in settings.websites}
    yield from (f"exports, {mistake}" for mistake in mistakes_together(rules, algos))


def _find(path: Path | None) -> tuple[Path, str]:
    """Where the configuration should be, absolute, and who says so."""
    if path is not None:
        return path.expanduser().absolute(), "the path that was asked for"
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named).expanduser().absolute(), f"the path in {CONFIG_VARIABLE}"
    return Path(CONFIG_FILE).absolute(), f"in the working directory, since {CONFIG_VARIABLE} names no other"


def _read(path: Path, reason: str) -> dict[str, Any]:
    """The document in a file, before anything in it is judged."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        mistakes = _how_to_begin(reason)
    except OSError as error:
        mistakes = [f"can't be read: {error.strerror}"]
    except UnicodeDecodeError as error:
        mistakes = [f"not TOML: not UTF-8 text (at byte {error.start + 1})"]
    except (ValueError, RecursionError) as error:  # TOMLDecodeError; numbers and nesting beyond Python's bounds
        mistakes = [f"not TOML: {error}"]
    raise ConfigurationError(str(path), mistakes)


def _how_to_begin(reason: str) -> list[str]:
    return [
        f"there is no such file ({reason})",
        "one that works, with the credentials in the two environment variables it names:",
        *(f"    {line}" for line in EXAMPLE.splitlines()),
        "to try the package without one: `ignite-assets demo`",
    ]


# Mistakes in words.


def _mistake(detail: ErrorDetails) -> str:
    """One line: the key, what was found, what is allowed."""
    loc, found = detail["loc"], detail["input"]
    if detail["type"] == "extra_forbidden":
        return f"{_dotted(loc)}: {_unknown_key(loc, found)}"
    if loc[-1] == "[key]" and _is_mapping(mapping := _kind_at(loc[:-2])[0]):
        return f"{_dotted(loc[:-1])}: found this key; allowed: {_allowed(*_kind(get_args(mapping)[0]))}"
    annotation, metadata = _kind_at(loc)
    allowed = _allowed(annotation, metadata)
    if detail["type"] == "missing":
        return f"{_dotted(loc)}: missing; required: {allowed}"
    suggestion = _suggestion(found, _choices(annotation))
    return f"{_dotted(loc)}: found {_shown(found, metadata)}; allowed: {allowed}{suggestion}"


def _unknown_key(loc: Sequence[int | str], found: object) -> str:
    """What to say of an unknown key; never its value, which may be a secret under a mistaken name."""
    if loc[0] == "websites" and isinstance(found, dict):
        return 'unknown table; a website key that holds a dot stands in quotes: [websites."www.acme"]'
    annotation, _ = _kind_at(loc[:-1])
    known = sorted(annotation.model_fields)
    return f"unknown key; allowed: {', '.join(known)}{_suggestion(loc[-1], known)}"


def _suggestion(found: object, choices: Sequence[str]) -> str:
    close = difflib.get_close_matches(str(found).lower(), choices, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _shown(found: object, metadata: Sequence[object]) -> str:
    """A mistaken value as the file has it, shortened, and without what may be a secret."""
    for mark in metadata:
        if isinstance(mark, Unshown):
            return mark.phrase
    if isinstance(found, dict):
        return "a table" if found else "none"
    if isinstance(found, list):
        return "a list"
    return _shown_text(found) if isinstance(found, str) else _toml(found)


def _shown_text(text: str) -> str:
    """A text shortened; of a URL neither user nor query nor fragment, but a word on what is left out."""
    parts = _URL.fullmatch(text)
    if not parts:
        return _toml(_shortened(text))
    scheme, user, place, query = (part or "" for part in parts.groups())
    left_out = [word for word, part in (("a user", user), ("a query or fragment", query)) if part]
    return _toml(_shortened(scheme + place)) + (f" with {' and '.join(left_out)}" if left_out else "")


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


def _toml(value: object) -> str:
    """A value as TOML writes it, near enough for a message."""
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dt.time):
        return f'"{str(value).removesuffix(":00")}"'
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key} = {_toml(each)}' for key, each in value.items())}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value)


def _dotted(loc: Sequence[int | str]) -> str:
    """The place of a value as TOML writes it: `websites."www.acme".algo`, `assets.owners[0]`."""
    dotted = ""
    for part in loc:
        if isinstance(part, int):
            dotted += f"[{part}]"
        else:
            dotted += f".{part if _BARE_KEY.fullmatch(part) else _toml(part)}"
    return dotted.removeprefix(".")


# What the models say of themselves.

Kind = tuple[Any, Sequence[object]]
"""A type and what its annotation says besides."""


def _kind(annotation: Any, metadata: Sequence[object] = ()) -> Kind:
    """Take `Annotated[…]` and `… | None` apart."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _kind(inner, [*metadata, *more])
    if get_origin(annotation) in (Union, UnionType):
        some = [each for each in get_args(annotation) if each is not type(None)]
        return _kind(some[0], metadata)
    return annotation, metadata


def _field_kind(field: FieldInfo) -> Kind:
    return _kind(field.annotation, field.metadata)


def _kind_at(loc: Sequence[int | str]) -> Kind:
    """What the models allow at a place of the file."""
    kind: Kind = (Settings, ())
    for part in loc:
        annotation = kind[0]
        kind = _field_kind(annotation.model_fields[part]) if _is_table(annotation) else _kind(_item_type(annotation))
    return kind


def _item_type(annotation: Any) -> Any:
    """What stands under each key of `Mapping[K, V]`, or in each place of `tuple[V, ...]`."""
    first, second = get_args(annotation)
    return second if _is_mapping(annotation) else first


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is Mapping


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in (tuple, list)


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _choices(annotation: Any) -> tuple[str, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _allowed(annotation: Any, metadata: Sequence[object]) -> str:
    """What a value may be, in words."""
    for mark in metadata:
        if isinstance(mark, Allowed):
            return mark.phrase
    if _is_table(annotation):
        return f"a table with {', '.join(annotation.model_fields)}"
    if choices := _choices(annotation):
        return f"one of {', '.join(choices)}"
    if _is_list(annotation):
        return f"a list, each {_allowed(*_kind(_item_type(annotation)))}"
    name = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[annotation]
    return name + _bounds(metadata)


def _bounds(metadata: Sequence[object]) -> str:
    low = next((mark.ge for mark in metadata if isinstance(mark, Ge)), None)
    above = next((mark.gt for mark in metadata if isinstance(mark, Gt)), None)
    high = next((mark.le for mark in metadata if isinstance(mark, Le)), None)
    if low is not None and high is not None:
        return f" from {low} to {high}"
    bounds = [
        f"{words} {bound}"
        for words, bound in (("at least", low), ("above", above), ("at most", high))
        if bound is not None
    ]
    return f", {' and '.join(bounds)}" if bounds else ""


@dataclass(frozen=True)
class Row:
    """One setting, as the configuration reference shows it."""

    key: str
    allowed: str
    default: str
    """As TOML writes it; `required` or `not set` where there is none."""
    description: str


def reference() -> list[Row]:
    """Every setting, in the order of the models; `<key>` stands for a website's key."""
    return list(_rows(Settings, ""))


def _rows(table: type[BaseModel], prefix: str) -> Iterator[Row]:
    for name, field in table.model_fields.items():
        annotation, metadata = _field_kind(field)
        key = f"{prefix}{name}"
        if _is_table(annotation):
            yield from _rows(annotation, f"{key}.")
        elif _is_list(annotation) and _is_table(_item_type(annotation)):
            yield from _rows(_item_type(annotation), f"{key}[].")
        elif _is_mapping(annotation) and _is_table(get_args(annotation)[1]):
            key_type, item_type = get_args(annotation)
            yield Row(f"{key}.<key>", _allowed(*_kind(key_type)), "required", field.description or "")
            yield from _rows(item_type, f"{key}.<key>.")
        else:
            yield Row(key, _allowed(annotation, metadata), _default(field), field.description or "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "not set" if field.default is None else _toml(field.default)
