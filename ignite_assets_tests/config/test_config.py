"""`ignite.toml`: what is accepted, what it means, and how mistakes are told."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ignite_assets.api.errors import ConfigurationError
from ignite_assets.api.names import taken_for
from ignite_assets.config import EXAMPLE, Settings, WebsiteKey, load_settings
from ignite_assets_tests.docs.settings import reference

WEBSITE = '[websites.acme]\ntoken_env = "ACME_TOKEN"\nsecret_env = "ACME_SECRET"\n'
PARTITIONS = '[partitions]\nstart_date = "2026-09-01"\n'

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a configuration into an otherwise empty folder."""
    monkeypatch.delenv("IGNITE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        path = tmp_path / "ignite.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def settings_of(write: Write, text: str) -> Settings:
    return load_settings(write(PARTITIONS + WEBSITE + text))


def mistakes_of(path: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "pydantic's own error quotes values"
    return caught.value.mistakes


def the_mistake(write: Write, text: str) -> str:
    (mistake,) = mistakes_of(write(PARTITIONS + WEBSITE + text))
    return mistake


# What is accepted.


def test_the_shortest_configuration_is_enough_and_the_rest_has_defaults(write: Write) -> None:
    settings = load_settings(write(EXAMPLE))
    assert settings.platform.base_url == "https://e.atrc.link"
    assert (settings.platform.algo, settings.platform.max_concurrency, settings.platform.max_tries) == ("sha2", 32, 5)
    assert settings.partitions.start_date == dt.date(2026, 9, 1)
    assert settings.partitions.zone.key == "UTC"
    assert settings.websites["acme-honda"].token_env == "ACME_HONDA_TOKEN"
    assert (settings.schedule.nightly, settings.schedule.heal) == (dt.time(0, 30), dt.time(2, 30))
    assert settings.schedule.enabled
    assert settings.assets.owners == ()


@pytest.mark.parametrize(
    ("table", "line", "value"),
    [
        ("platform", 'base_url = "http://127.0.0.1:8000/"', "http://127.0.0.1:8000"),
        ("platform", 'base_url = "http://127.9.9.9"', "http://127.9.9.9"),
        ("platform", 'base_url = "http://localhost:8000"', "http://localhost:8000"),
        ("platform", 'base_url = "http://[::1]:8000"', "http://[::1]:8000"),
        ("platform", 'base_url = "https://proxy.example.com/ignite/"', "https://proxy.example.com/ignite"),
        ("platform", "max_concurrency = 256", 256),
        ("platform", "requests_per_second = 0.5", 0.5),
        ("platform", "requests_per_second = 3", 3),
        ("schedule", 'nightly = "22:59"', dt.time(22, 59)),
        ("schedule", "heal = 04:00:00", dt.time(4)),
        ("schedule", "enabled = false", False),
        ("assets", 'owners = ["team:data", "ann@example.com"]', ("team:data", "ann@example.com")),
    ],
)
def test_a_setting_is_read(write: Write, table: str, line: str, value: object) -> None:
    settings = settings_of(write, f"[{table}]\n{line}\n")
    assert getattr(getattr(settings, table), line.partition(" ")[0]) == value


@pytest.mark.parametrize("date", ['"2026-09-01"', "2026-09-01"])
def test_the_start_date_may_be_text_or_a_toml_date(write: Write, date: str) -> None:
    settings = load_settings(write(f"partitions.start_date = {date}\n{WEBSITE}"))
    assert settings.partitions.start_date == dt.date(2026, 9, 1)


def test_a_website_hashes_as_the_platform_unless_it_differs(write: Write) -> None:
    settings = settings_of(
        write,
        '[websites.other]\ntoken_env = "A"\nsecret_env = "B"\nalgo = "md5"\n[platform]\nalgo = "sha1"\n',
    )
    assert (settings.algo("acme"), settings.algo("other")) == ("sha1", "md5")
    with pytest.raises(KeyError):
        settings.algo("nobody")


def test_a_relative_root_starts_at_the_folder_of_the_file_wherever_the_reader_stands(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(PARTITIONS + WEBSITE + '[storage]\nroot = "lake/"\n')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    settings = load_settings(Path("../ignite.toml"))
    assert settings.root == str(tmp_path / "lake")
    assert settings.path.samefile(path)


@pytest.mark.parametrize(
    ("root", "resolved"),
    [
        ("/srv/lake/", "/srv/lake"),
        ("s3://bucket/lake/", "s3://bucket/lake"),
        ("gs://bucket", "gs://bucket"),
        ("file:///srv/lake", "file:///srv/lake"),
        (
            "s3://bucket/lake?endpoint_override=http%3A%2F%2F127.0.0.1%3A5000",
            "s3://bucket/lake?endpoint_override=http%3A%2F%2F127.0.0.1%3A5000",
        ),
    ],
)
def test_an_absolute_root_or_a_url_stays_as_it_is(write: Write, root: str, resolved: str) -> None:
    assert settings_of(write, f'[storage]\nroot = "{root}"\n').root == resolved


def test_settings_do_not_change_once_read(write: Write) -> None:
    settings = load_settings(write(EXAMPLE))
    with pytest.raises(ValidationError):
        settings.platform.max_tries = 3  # type: ignore[misc]


def test_a_byte_order_mark_does_no_harm(write: Write) -> None:
    assert load_settings(write("\ufeff" + EXAMPLE)).websites


def test_no_environment_variable_of_a_website_is_needed_to_read_its_settings(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACME_HONDA_TOKEN", raising=False)
    assert load_settings(write(EXAMPLE)).websites


# Where the file is.


def test_the_variable_says_where_the_file_is_and_an_argument_goes_first(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(EXAMPLE)
    named, given_path = tmp_path / "named.toml", tmp_path / "given.toml"
    for path in (named, given_path):
        path.write_text(EXAMPLE)
    assert load_settings().path == tmp_path / "ignite.toml"
    monkeypatch.setenv("IGNITE_CONFIG", str(named))
    assert load_settings().path == named
    assert load_settings(given_path).path == given_path
    monkeypatch.setenv("IGNITE_CONFIG", "")
    assert load_settings().path == tmp_path / "ignite.toml"


def test_a_missing_file_is_told_with_where_it_was_looked_for_and_how_to_begin(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del write
    told = "\n".join(mistakes_of())
    assert "no such file (in the working directory, since IGNITE_CONFIG names no other)" in told
    assert "ignite-assets demo" in told
    assert all(line in told for line in EXAMPLE.splitlines())
    monkeypatch.setenv("IGNITE_CONFIG", str(tmp_path / "gone.toml"))
    with pytest.raises(ConfigurationError, match=r"gone\.toml:\n.*the path in IGNITE_CONFIG"):
        load_settings()


def test_the_example_that_a_missing_file_is_told_with_works_as_it_is_printed(write: Write) -> None:
    printed = [line.strip() for line in mistakes_of() if line.startswith("    ")]
    assert load_settings(write("\n".join(printed))).websites


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path) == ("can't be read: Is a directory",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[platform]\nalgo = sha2\n", "line 2"),
        (b"[platform]\n[platform]\n", "line 2"),
        (b'algo = "\xff"', "not UTF-8 text (at byte 9)"),
        (b"n = " + b"9" * 5000, "not TOML"),
    ],
)
def test_what_is_not_toml_is_told_with_its_place(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "ignite.toml"
    path.write_bytes(content)
    (mistake,) = mistakes_of(path)
    assert mistake.startswith("not TOML")
    assert told in mistake


# Mistakes.


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[platform]\nalgo = 'sha3'", 'platform.algo: found "sha3"; allowed: one of md5, sha1, sha2'),
        ("[platform]\nmax_concurrency = 0", "platform.max_concurrency: found 0; allowed: a whole number from 1 to 256"),
        ("[platform]\nmax_concurrency = 257", "platform.max_concurrency: found 257; allowed: a whole number from 1"),
        ("[platform]\nmax_concurrency = '32'", 'platform.max_concurrency: found "32"; allowed: a whole number from 1'),
        ("[platform]\nmax_tries = 21", "platform.max_tries: found 21; allowed: a whole number from 1 to 20"),
        ("[platform]\nmax_tries = true", "platform.max_tries: found true; allowed: a whole number from 1 to 20"),
        ("[platform]\nrequests_per_second = -1", "platform.requests_per_second: found -1; allowed: a number, at least"),
        ("[platform]\nrequests_per_second = nan", "platform.requests_per_second: found nan; allowed: a number"),
        ("[platform]\ntimeout_seconds = 0", "platform.timeout_seconds: found 0; allowed: a number, above 0 and at"),
        ("[platform]\ntimeout_seconds = inf", "platform.timeout_seconds: found inf; allowed: a number, above 0"),
        ("[platform]\nmax_body_mib = 0", "platform.max_body_mib: found 0; allowed: a whole number, at least 1"),
        ("[schedule]\nnightly = '24:00'", 'schedule.nightly: found "24:00"; allowed: a time of day from "00:00"'),
        ("[schedule]\nnightly = '0:30'", 'schedule.nightly: found "0:30"; allowed: a time of day'),
        ("[schedule]\nnightly = '23:50'", 'schedule.nightly: found "23:50"; allowed: a time of day from "00:00" to "2'),
        ("[schedule]\nheal = 02:30:01", 'schedule.heal: found "02:30:01"; allowed: a time of day'),
        ("[schedule]\nenabled = 'yes'", 'schedule.enabled: found "yes"; allowed: true or false'),
        ("[assets]\nowners = 'team:x'", 'assets.owners: found "team:x"; allowed: a list, each "team:NAME" or an e-'),
        ("[assets]\nowners = ['team:x', 'bob']", 'assets.owners[1]: found "bob"; allowed: "team:NAME" or an e-mail'),
        ("[storage]\nroot = ''", 'storage.root: found ""; allowed: a path'),
        ("[storage]\nroot = 's3://'", 'storage.root: found "s3://"; allowed: a path'),
        ('[storage]\nroot = "a\\u0000b"', 'storage.root: found "a\\u0000b"; allowed: a path'),
        ("[storage]\nroot = {}", "storage.root: found none; allowed: a path"),
        ("[[storage]]", "storage: found a list; allowed: a table with root"),
        ("[websites]\nother = 'x'", 'websites.other: found "x"; allowed: a table with token_env, secret_env, algo'),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_key_what_was_found_and_what_is_allowed(
    write: Write, text: str, mistake: str
) -> None:
    assert the_mistake(write, text).startswith(mistake)


@pytest.mark.parametrize(
    "date",
    ['"1 Sept"', '"2026-13-01"', '"20260901"', '"0001-01-01"', '"9999-12-31"', "20260901", "2026-09-01T00:00:00Z"],
)
def test_a_start_date_that_is_no_date_is_refused(write: Write, date: str) -> None:
    (mistake,) = mistakes_of(write(f"partitions.start_date = {date}\n{WEBSITE}"))
    assert mistake.startswith("partitions.start_date: found ")
    assert mistake.endswith('; allowed: a date such as "2026-09-01", of the years 2000 to 2099')


@pytest.mark.parametrize("zone", ["Mars/Olympus", "America", "", "../etc/passwd", "/etc/localtime"])
def test_a_time_zone_that_does_not_exist_is_refused(write: Write, zone: str) -> None:
    (mistake,) = mistakes_of(write(f'{PARTITIONS}timezone = "{zone}"\n{WEBSITE}'))
    assert mistake.startswith(f'partitions.timezone: found "{zone}"; allowed: an IANA time zone')


@pytest.mark.parametrize(
    "url",
    [
        "http://e.atrc.link", "http://localhost.example.com", "http://127.0.0.1.example.com", "http://127.1",
        "http://0.0.0.0", "http://10.0.0.1", "http://[::]", "ftp://localhost", "e.atrc.link", "https://", "",
        "https://e.atrc.link/?a=1", "https://e.atrc.link/?", "https://e.atrc.link/#a", "https://u:p@e.atrc.link",
        "https://localhost\\\\@e.atrc.link", "https://e.atrc .link", "https://e.atrc.link:99999", "https://[::1",
    ],
)  # fmt: skip
def test_a_base_url_that_credentials_must_not_be_sent_to_is_refused(write: Write, url: str) -> None:
    mistake = the_mistake(write, f'[platform]\nbase_url = "{url}"\n')
    assert mistake.startswith("platform.base_url: found ")
    assert "allowed: an https URL, or an http one on loopback" in mistake


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[platform]\nmax_concurency = 3", "platform.max_concurency: unknown key; allowed: algo, base_url, "),
        ("[platform]\nmax_concurency = 3", "; did you mean max_concurrency?"),
        (
            "[strage]\nroot = 'x'",
            "strage: unknown key; allowed: alerts, assets, checks, dagster, derived, exports, opt_outs, partitions, ",
        ),
        ("[strage]\nroot = 'x'", "; did you mean storage?"),
        ("[platform]\nalgo = 'SHA-1'", "; did you mean sha1?"),
        ("path = '/x'", "websites.acme.path: unknown key; allowed: algo, name, secret_env, token_env"),
    ],
)
def test_an_unknown_key_or_choice_is_told_with_the_known_ones_and_the_closest(
    write: Write, text: str, mistake: str
) -> None:
    assert mistake in the_mistake(write, text)


def test_what_is_required_is_told_with_its_shape(write: Write) -> None:
    assert mistakes_of(write("")) == (
        'partitions.start_date: missing; required: a date such as "2026-09-01", of the years 2000 to 2099',
        "websites: found none; allowed: at least one table such as [websites.acme-honda] with token_env and secret_env",
    )
    missing = mistakes_of(write(PARTITIONS + "[websites.acme]\n"))
    assert [mistake.partition(" required: ")[0] for mistake in missing] == [
        "websites.acme.token_env: missing;",
        "websites.acme.secret_env: missing;",
    ]


def test_a_website_key_with_a_dot_that_was_not_quoted_is_told_how_to_be(write: Write) -> None:
    told = mistakes_of(write(PARTITIONS + '[websites.www.acme]\ntoken_env = "A"\nsecret_env = "B"\n'))
    assert any('stands in quotes: [websites."www.acme"]' in mistake for mistake in told)
    quoted = PARTITIONS + '[websites."www.acme"]\ntoken_env = "A"\nsecret_env = "B"\nalgo = "x"\n'
    assert mistakes_of(write(quoted))[0].startswith('websites."www.acme".algo: found "x"')


def test_every_mistake_of_the_file_is_told_at_once(write: Write) -> None:
    told = mistakes_of(
        write(
            """
            surplus = 1
            [platform]
            base_url = "http://e.atrc.link"
            max_tries = 0
            algo = "crc"
            [partitions]
            timezone = "Nowhere"
            [storage]
            root = 3
            [websites.Acme]
            token_env = "a-b"
            [websites.ok]
            token_env = "A"
            secret_env = "B"
            colour = "red"
            [schedule]
            heal_runs_per_tick = 0
            """
        )
    )
    assert {mistake.partition(":")[0] for mistake in told} == {
        "surplus", "platform.base_url", "platform.max_tries", "platform.algo", "partitions.start_date",
        "partitions.timezone", "storage.root", "websites.Acme", "websites.Acme.token_env", "websites.Acme.secret_env",
        "websites.ok.colour", "schedule.heal_runs_per_tick",
    }  # fmt: skip
    assert len(told) == 12
    assert not any("\n" in mistake for mistake in told)


@pytest.mark.parametrize(
    "text",
    [
        "[websites.b]\ntoken_env = 'CANARY-7'\nsecret_env = 'B'",
        "[websites.b]\ntoken_env = 'A'\nsecret_env = 'CANARY7d41d8cd98f00b2'",  # could be a name, but hardly is
        "[websites.b]\ntoken_env = 'sk_live_CANARY7d41d8cd98f0'\nsecret_env = 'B'",
        "[websites.b]\ntoken_env = 'A'\nsecret_env = ['CANARY']",
        "[websites.b]\ntoken_env = 'A'\nsecret_env = 'B'\ntoken = 'CANARY'",
        "[websites.b]\ntoken_env = 'A'\nsecret_env = 'B'\nsecret = {value = 'CANARY'}",
        "[platform]\npassword = 'CANARY'",
        "[platform]\nbase_url = 'https://e.atrc.link/?token=CANARY'",
        "[platform]\nbase_url = 'https://CANARY@e.atrc.link/'",
        "[platform]\nbase_url = 'user:CANARY@e.atrc.link'",
        "[platform]\nbase_url = 'https://u:CANARY?x@e.atrc.link'",
        "[storage]\nroot = 's3://AKIA:CANARY/x@bucket/lake'",
    ],
)
def test_a_secret_that_stands_where_it_should_not_is_never_shown(write: Write, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(write(PARTITIONS + WEBSITE + text))
    assert "CANARY" not in str(caught.value) + repr(caught.value)


def test_a_secret_in_the_place_of_a_name_is_told_as_what_it_is_not(write: Write) -> None:
    mistake = the_mistake(write, "[websites.b]\ntoken_env = 'x y'\nsecret_env = 'B'")
    assert mistake.startswith("websites.b.token_env: found a value that is not the name of an environment variable; ")


# Website keys.

KEYS: TypeAdapter[str] = TypeAdapter(WebsiteKey)


@pytest.mark.parametrize("key", ["a", "a7", "acme-honda", "www.acme.com", "a_b", "com", "com10", "console", "a" * 63])
def test_a_website_key_is_accepted(key: str) -> None:
    assert KEYS.validate_python(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "", "A", "-a", "a-", ".", "..", ".a", "a.", "a..b", "a/b", "a\\b", "../a", "a|b", "a,b", "a[b]", "a b", "a\n",
        "a\0b", "a:b", "a=b", "a%2fb", "a*", "con", "nul", "prn", "aux", "com1", "lpt9", "con.txt", "lpt1.a.b",
        "\u0430cme", "\uff41cme", "\u017f", "\u0661", "acm\u00e9", "a\u2215b", "a\u2024b", "a" * 64,
    ],
)  # fmt: skip
def test_a_website_key_that_could_mean_something_else_somewhere_is_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        KEYS.validate_python(key)


def is_accepted(key: str) -> bool:
    try:
        KEYS.validate_python(key)
    except ValidationError:
        return False
    return True


@given(st.text(alphabet=st.one_of(st.sampled_from("abz09._-/\\|,[]:~$% \0\n"), st.characters()), max_size=70))
@example("a.b")
@example("..")
@example("a/../..")
def test_no_website_key_that_is_accepted_leaves_its_folder_or_splits_a_partition_key(key: str) -> None:
    if not is_accepted(key):
        return
    root = Path("/lake/visitors").resolve()
    for folder in (key, f"website={key}"):
        assert (root / folder).resolve().parent == root
        assert (root / folder).resolve().name == folder
    assert not set(key) & set("|,[]{}*?/\\:\0 \n")
    assert key.isascii()
    assert key == key.lower()


@given(st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", fullmatch=True))
def test_website_keys_of_the_documented_shape_are_accepted_but_for_dots_in_a_row_and_device_names(key: str) -> None:
    devices = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
    folder = ".." not in key and key.partition(".")[0] not in devices
    assert is_accepted(key) == (folder and taken_for(key) is None)


def test_a_website_key_that_readers_take_for_a_number_is_refused_with_the_reason_and_a_suggestion(write: Write) -> None:
    (mistake,) = mistakes_of(write(PARTITIONS + '[websites.007]\ntoken_env = "A"\nsecret_env = "B"\n'))
    assert mistake == (
        "websites.007: readers of the lake take this key for a number, and may take another key for the same; "
        "name it dealer-007, say"
    )


# The reference.


def test_the_reference_has_every_setting_with_what_is_allowed_its_default_and_a_description() -> None:
    rows = {row.key: row for row in reference()}
    assert len(rows) == len(reference())
    assert next(iter(rows)) == "platform.base_url"
    assert all(row.allowed and row.default and row.description.endswith(".") for row in rows.values())
    assert rows["platform.max_concurrency"].allowed == "a whole number from 1 to 256"
    assert rows["platform.algo"].default == '"sha2"'
    assert rows["partitions.start_date"].default == "required"
    assert rows["schedule.nightly"].default == '"00:30"'
    assert rows["schedule.enabled"].default == "true"
    assert rows["assets.owners"].default == "[]"
    assert rows["websites.<key>.algo"].default == "not set"


def test_the_defaults_of_the_reference_are_what_an_empty_setting_means(write: Write) -> None:
    """Written out in full, the defaults read as the configuration that leaves them out."""
    rows = [row for row in reference() if row.default not in ("required", "not set") and "[]" not in row.key]
    in_full = "\n".join(f"{row.key} = {row.default}" for row in rows) + "\n" + EXAMPLE
    assert load_settings(write(in_full)) == load_settings(write(EXAMPLE))


def test_a_column_of_opt_outs_for_no_configured_website_is_a_mistake(write: Write) -> None:
    assert the_mistake(write, '[opt_outs.columns]\nacne = "Customer Email"\n') == (
        "opt_outs.columns.acne: found this key; allowed: acme; did you mean acme?"
    )


@pytest.mark.parametrize(
    ("root", "exports"),
    [
        ("s3://agency/lake", "s3://agency/exports"),
        ("s3://agency/a/lake/", "s3://agency/a/exports"),
        ("s3://agency", "s3://agency/exports"),
        ("s3://agency/lake?region=eu-west-1", "s3://agency/exports?region=eu-west-1"),
        ("gs://agency/lake", "gs://agency/exports"),
    ],
)
def test_where_the_lake_is_on_a_url_relative_places_stand_beside_it(write: Write, root: str, exports: str) -> None:
    export = '[[exports]]\nname = "all"\nwebsites = ["*"]\nsource = "visitors"\ndestination = "plain_list"\n'
    settings = settings_of(write, f'[storage]\nroot = "{root}"\n[opt_outs]\ninbox = "drop/here/../"\n{export}')
    assert settings.places() == {
        "storage.root": root.rstrip("/"),
        "exports, all: to": exports,
        "reports.to": exports.replace("/exports", "/reports"),
        "opt_outs.inbox": exports.replace("/exports", "/drop"),
    }


@pytest.mark.parametrize("place", ["/mnt/shared/pages", "s3://pages", "~/pages"])
def test_an_absolute_place_is_where_it_says_wherever_the_lake_is(write: Write, place: str) -> None:
    settings = settings_of(write, f'[storage]\nroot = "s3://agency/lake"\n[reports]\nto = "{place}"\n')
    assert settings.places()["reports.to"] == str(Path(place).expanduser()).replace("s3:/p", "s3://p")


def test_no_relative_place_leaves_the_bucket(write: Write) -> None:
    settings = settings_of(write, '[storage]\nroot = "s3://agency/lake"\n[reports]\nto = "../../../pages"\n')
    assert settings.places()["reports.to"] == "s3://agency/pages"
