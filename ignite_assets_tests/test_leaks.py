"""Secrets and people never leak: nights that fail in every way, and a search of everything they left."""

import contextlib
import gzip
import html
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
import urllib.request
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from pydantic import ValidationError

from ignite_assets.api import errors
from ignite_assets.api.client import IgniteClient
from ignite_assets.api.endpoints import ENDPOINTS, by_name
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.patience import Limits, Tally
from ignite_assets.api.protocol import Call, Credentials
from ignite_assets.config import Website, load_settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.failures import failure
from ignite_assets.dagster.io_manager import ParquetIOManager
from ignite_assets.dagster.landing import Landing
from ignite_assets.dagster.metadata import partition_metadata
from ignite_assets.dagster.resources import IgniteResource
from ignite_assets.sandbox import Fault, SandboxServer, SandboxWebsite, frozen
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.capture import Capture
from ignite_assets.testing import Leak, find_leaks
from ignite_assets_tests.api.servers import RawServer, self_signed
from ignite_assets_tests.commands import BIN, IGNITE_ASSETS, ROOT, environment
from ignite_assets_tests.conftest import NOW, YESTERDAY, config_text, variable
from ignite_assets_tests.leaky import PLANTED
from soak.processes import free_port

CANARY = "c4n4ry7e51"
"""In every token and secret, so that it is seen however the rest was written."""

EMAIL = "ann.o'neil+a/b=%&é@c4n4rymail.example"
"""In the bodies of failing answers."""

RESIDENT = 'Zoë "Kanarien" O\'Vogel-8812'
"""In an answer that lands: a lake may hold people, nothing else may."""

SECRETS = {"token": f"t+/=%& \"'é€-{CANARY}", "secret": f"s+/=%& \"'\\ß-{CANARY}", "canary": CANARY}
EVERYTHING = {**SECRETS, "e-mail": EMAIL, "domain of the e-mail": "c4n4rymail", "resident": RESIDENT}


def site(key: str) -> SandboxWebsite:
    return SandboxWebsite(key, 20, token=f"{SECRETS['token']}-{key}", secret=f"{SECRETS['secret']}-{key}")


_PERSON = json.dumps([{"email": EMAIL}], ensure_ascii=False).encode()
FAULTS: dict[str, Fault] = {
    "reset": Fault(cut="reset"),
    "closed": Fault(cut="close"),
    "truncated": Fault(cut="length", body=_PERSON),
    "truncated chunks": Fault(cut="chunked", body=_PERSON),
    "timeout before the body": Fault(delay=20, status=500),
    "timeout inside the body": Fault(pause=20, piece=8, body=_PERSON),
    "empty": Fault(body=b""),
    "not JSON": Fault(body=f"sorry, {EMAIL}".encode()),
    "HTML": Fault(body=f"<p>{EMAIL}</p>".encode(), content_type="text/html"),
    "object": Fault(body=json.dumps({"error": EMAIL}).encode()),
    "null": Fault(body=b"null"),
    "number": Fault(body=b"7"),
    "text": Fault(body=json.dumps(EMAIL).encode()),
    "nested array": Fault(body=json.dumps([[EMAIL]]).encode()),
    "wrong kinds": Fault(body=json.dumps([{"id": EMAIL, "email": [EMAIL]}]).encode()),
    "400": Fault(status=400, body=_PERSON),
    "401": Fault(status=401, body=_PERSON),
    "403": Fault(status=403),
    "404": Fault(status=404),
    "408": Fault(status=408),
    "429": Fault(retry_after=1),
    "429, as a date": Fault(retry_after=NOW),
    "429, absurdly long": Fault(retry_after="9" * 400),
    "500": Fault(status=500, body=_PERSON),
    "502": Fault(status=502),
    "503": Fault(status=503),
    "504": Fault(status=504),
    "301": Fault(status=301, headers={"Location": "https://other.invalid/?token=stolen"}),
    "302": Fault(status=302, headers={"Location": "http://127.0.0.1:9/"}),
    "endless": Fault(endless=True, piece=1 << 16, body=_PERSON * 4000),
    "too large": Fault(body=b"[" + b",".join([_PERSON[1:-1]] * 30_000) + b"]"),
    "broken gzip": Fault(body=_PERSON, content_encoding="gzip"),
    "unknown encoding": Fault(body=_PERSON, content_encoding="br"),
    "wrong charset": Fault(body=EMAIL.encode("latin-1")),
    "utf-16": Fault(body=EMAIL.encode("utf-16")),
    "byte-order mark": Fault(body=b"\xef\xbb\xbf" + _PERSON),
    "duplicate keys": Fault(body=b'[{"email":1,"email":%b}]' % json.dumps(EMAIL).encode()),
    "beyond int64": Fault(body=b'[{"id":99999999999999999999,"email":%b}]' % json.dumps(EMAIL).encode()),
    "NaN": Fault(body=b'[{"id":NaN,"email":%b}]' % json.dumps(EMAIL).encode()),
    "deep nesting": Fault(body=b"[" * 5000 + _PERSON),
    "lone surrogate": Fault(body=b'["\\ud800",' + _PERSON[1:]),
}
"""Every fault of a platform that is reached; those of the way to it are `DOWN`."""

TARGETS = ("visitors", "products", "sales", "audiences", "audience_groups", "locations")
SPREAD = [(f"faulty-{n // len(TARGETS)}", TARGETS[n % len(TARGETS)]) for n in range(len(FAULTS))]
"""Where each fault strikes: a night of a website takes one for each asset."""

HELPED = "landing"
"""A website whose listings answer, so that the calls for one entity are made, and fail."""

UNSET = "unset"
"""A website without credentials in the environment."""

WEBSITES = tuple(site(key) for key in sorted({key for key, _ in SPREAD} | {HELPED}))


def strike(server: SandboxServer) -> None:
    """Put every fault in force."""
    for fault, (website, endpoint) in zip(FAULTS.values(), SPREAD, strict=True):
        server.faults.add(_at(fault, website, endpoint))
    location = {"id": 1, "resident": RESIDENT, "street": RESIDENT, "unknown": RESIDENT, "visits_count": "3"}
    server.faults.add(
        _at(Fault(body=json.dumps([location]).encode()), HELPED, "locations"),
        _at(FAULTS["500"], HELPED, "location_details"),
        _at(FAULTS["wrong kinds"], HELPED, "audience_members"),
        _at(FAULTS["not JSON"], HELPED, "audience_group_members"),
    )


def _at(fault: Fault, website: str, endpoint: str) -> Fault:
    return Fault(**{**vars(fault), "website": website, "endpoint": endpoint})


@dataclass(frozen=True)
class Night:
    """What the nights left, in folders: one for each channel."""

    folder: Path

    @property
    def channels(self) -> dict[str, list[Path]]:
        home = self.folder / "dagster_home"
        return {
            "event log": [home / "history" / "runs"],
            "run storage": [home / "history"],
            "compute logs": [home / "storage"],
            "debug logs": [self.folder / "debug"],
            "standard output": [self.folder / "output"],
            "definitions as served": [self.folder / "pages" / "definitions"],
            "runs as served": [self.folder / "pages" / "runs"],
            "lake": [self.folder / "lake"],
        }


def command(night: Path, name: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, with what it printed kept in a file."""
    output = night / "output" / name
    with output.open("wb") as file:
        return subprocess.run(
            arguments,
            cwd=night,
            env=night_environment(night, **more),
            stdout=file,
            stderr=subprocess.STDOUT,
            timeout=500,
            check=False,
        )


def credentials_of(*sites: SandboxWebsite) -> dict[str, str]:
    return {variable(each.key, kind): getattr(each, kind) for each in sites for kind in ("token", "secret")}


def night_environment(night: Path, **more: str) -> dict[str, str]:
    credentials = credentials_of(*(site for site in WEBSITES if site.key != HELPED))
    places = {
        "IGNITE_CONFIG": str(night / "ignite.toml"),
        "DAGSTER_HOME": str(night / "dagster_home"),
        "DEBUG_LOGS": str(night / "debug"),
        "LEAKY_LAKE": str(night / "lake" / "leaky"),
        "PYTHONPATH": os.pathsep.join([str(night / "startup"), str(ROOT)]),
    }
    return environment(**credentials, **{**places, **more})


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """Nights with every fault, through the command line and through Dagster, and what the webserver shows of them."""
    folder = tmp_path_factory.mktemp("night")
    for name in ("debug", "output", "startup", "dagster_home", "tls", "pages/definitions", "pages/runs"):
        (folder / name).mkdir(parents=True)
    (folder / "dagster_home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(folder / "dagster_home")) as instance:
        assert instance.get_runs() == []  # two processes that make the same records at once get in each other's way
    # Python imports a module of this name when it starts: the processes of the command line log everything as well.
    (folder / "startup" / "sitecustomize.py").write_text(
        "import os\nfrom ignite_assets_tests.debugging import log_everything\nlog_everything()\n"
    )
    context, _ = self_signed(folder / "tls")
    with SandboxServer(WEBSITES) as server, RawServer(b"", tls=context) as untrusted:
        strike(server)
        platform = "timeout_seconds = 4\nmax_body_mib = 1"
        unset = SandboxWebsite(UNSET, 1)
        (folder / "ignite.toml").write_text(config_text(server.url, [*WEBSITES, unset], platform=platform))
        kept = credentials_of(site(HELPED)).items()  # in a file that every process reads
        (folder / ".env").write_text(
            "".join(f"{name}={json.dumps(value, ensure_ascii=False)}\n" for name, value in kept)
        )
        chosen = [option for key in sorted({key for key, _ in SPREAD}) for option in ("--website", key)]
        chosen += [option for name in TARGETS for option in ("--select", name)]
        (folder / "wrong.toml").write_text(wrong_settings())
        ways = (server.url, "http://127.0.0.1:9", "https://no-such-host.invalid", untrusted.url)
        with ThreadPoolExecutor(2) as side_by_side:
            under_way = [
                side_by_side.submit(command, folder, name, *arguments, **more)
                for name, arguments, more in (
                    (
                        "materialize",
                        [IGNITE_ASSETS, "materialize", "--json", "--debug", "--website", UNSET, *chosen],
                        {},
                    ),
                    ("runs", [sys.executable, "-m", "ignite_assets_tests.leaky", HELPED, *ways], {}),
                    ("doctor", [IGNITE_ASSETS, "doctor", "--debug"], {}),
                    ("wrong", [IGNITE_ASSETS, "doctor", "--debug"], {"IGNITE_CONFIG": str(folder / "wrong.toml")}),
                )
            ]
        for done in under_way:
            done.result()
        (folder / "wrong.toml").unlink()
        serve_pages(folder)
        (folder / ".env").unlink()
    return Night(folder)


def wrong_settings() -> str:
    """A configuration with secrets where none belong."""
    quoted = json.dumps(SECRETS["token"], ensure_ascii=False)
    return (
        f'partitions.start_date = 7\nplatform.base_url = "https://u:{CANARY}@host?token={CANARY}"\n'
        f"[websites.a]\ntoken_env = {quoted}\nsecret = {quoted}\nsecret_env = {json.dumps(EMAIL)}\n"
    )


# The webserver.

_METADATA = """metadataEntries { __typename label description
  ... on TextMetadataEntry { text } ... on JsonMetadataEntry { jsonString } ... on PathMetadataEntry { path }
  ... on UrlMetadataEntry { url } ... on TableMetadataEntry { table { records } } }"""
_DEFINITIONS = """{ repositoriesOrError { ... on RepositoryConnection { nodes { name
  allTopLevelResourceDetails { name description resourceType configFields { name description }
    configuredValues { key value type } nestedResources { name } }
  assetNodes { assetKey { path } description tags { key value } owners { __typename } METADATA
    configField { name configType { key } } }
  jobs { name runTags { key value } modes { resources { name configField { configType { key } defaultValueAsJson } } } }
  schedules { name description } sensors { name description } } } } }""".replace("METADATA", _METADATA)
_ERROR = "message className stack errorChain { error { message className stack } } cause { message stack }"
_RUNS = """{ runsOrError(limit: 100) { ... on Runs { results { runId status runConfigYaml tags { key value }
  eventConnection(limit: 1000) { events { __typename ... on MessageEvent { message }
    ... on ExecutionStepFailureEvent { error { ERROR } failureMetadata { METADATA } }
    ... on RunFailureEvent { error { ERROR } }
    ... on MaterializationEvent { tags { key value } METADATA } } } } } } }"""
_RUNS = _RUNS.replace("{ ERROR }", f"{{ {_ERROR} }}").replace("METADATA", _METADATA)


def serve_pages(folder: Path) -> None:
    """Fetch what Dagster's webserver tells of the definitions and of every run."""
    port = free_port()
    modules = ("-m", "ignite_assets.definitions", "-m", "ignite_assets_tests.leaky")
    with (folder / "output" / "webserver").open("wb") as output:
        server = subprocess.Popen(
            [BIN / "dagster-webserver", *modules, "-h", "127.0.0.1", "-p", str(port)],
            cwd=folder, env=night_environment(folder), stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        fetch_pages(f"http://127.0.0.1:{port}", folder / "pages")
    finally:
        server.terminate()
        server.wait(30)


def fetch_pages(url: str, pages: Path) -> None:
    wait_for(f"{url}/server_info")
    for name, query in (("definitions", _DEFINITIONS), ("runs", _RUNS)):
        (pages / name / "graphql.json").write_bytes(ask(url, query))
    for run in found(json.loads((pages / "runs" / "graphql.json").read_bytes()), "runId"):
        # A gzipped report of the run: configuration, tags, events, and the snapshot of its job.
        (pages / "runs" / f"{run}.gz").write_bytes(get(f"{url}/download_debug/{run}"))


def get(url: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=240) as answer:
        return bytes(answer.read())


def ask(url: str, query: str) -> bytes:
    answer = get(f"{url}/graphql", json.dumps({"query": query}).encode())
    assert "errors" not in json.loads(answer), answer.decode()
    return answer


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 240
    while True:
        try:
            get(url)
        except OSError:
            assert time.monotonic() < deadline, "the webserver does not answer"
            time.sleep(0.2)
        else:
            return


def found(value: Any, name: str) -> Iterator[Any]:
    """Each value of that name, however deep."""
    if isinstance(value, dict):
        if name in value:
            yield value[name]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from found(each, name)


# Nothing that the nights left.

CHANNELS = (
    "event log", "run storage", "compute logs", "debug logs", "standard output", "definitions as served",
    "runs as served", "lake",
)  # fmt: skip


@pytest.mark.slow
def test_every_fault_of_the_nights_struck(night: Night) -> None:
    output = (night.folder / "output" / "materialize").read_text()
    results = json.JSONDecoder().raw_decode(output[output.index("{\n") :])[0]["partitions"]
    said = {(result["website"], result["asset"]): result["error"] for result in results}
    missed = {
        name: said.get(where)
        for name, where in zip(FAULTS, SPREAD, strict=True)
        if not said.get(where) and name not in {"byte-order mark", "duplicate keys", "lone surrogate", "beyond int64"}
    }
    assert missed == {}


@pytest.mark.slow
def test_nothing_that_the_nights_left_holds_a_secret_or_a_person(night: Night) -> None:
    assert find_leaks(EVERYTHING, folders=[night.folder], rows=False) == []


@pytest.mark.slow
def test_a_lake_holds_people_and_no_secret(night: Night) -> None:
    assert find_leaks(SECRETS, folders=[night.folder / "lake"]) == []
    held = find_leaks({"resident": RESIDENT}, folders=[night.folder / "lake"])
    assert any(leak.where.endswith("part-0.parquet, rows") for leak in held)


@pytest.mark.slow
def test_the_debug_logs_hold_what_urllib3_says_of_every_request_but_its_query(night: Night) -> None:
    logs = "".join(path.read_text() for path in (night.folder / "debug").iterdir())
    for endpoint in ENDPOINTS:
        assert endpoint.path.partition("{")[0] in logs
    assert "?…" in logs
    assert "Starting new HTTPS connection" in logs


@pytest.mark.slow
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_planted_leak_is_found_in_each_channel(night: Night, channel: str) -> None:
    assert find_leaks({"planted": PLANTED}, folders=night.channels[channel], rows=False)


# Nothing that an object shows.


def failures_of(server: SandboxServer) -> Iterator[Exception]:
    """What every fault raises, asked without Dagster."""
    for fault in FAULTS.values():
        server.faults.clear()
        server.faults.add(fault)
        with client_of(server.url) as client:
            try:
                Capture(client, by_name()["visitors"]).one(YESTERDAY)
            except errors.IgniteError as error:
                yield error


@pytest.fixture
def canary_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer([site(HELPED)], now=frozen(NOW)) as server:
        yield server


def client_of(url: str) -> IgniteClient:
    return IgniteClient(
        website=HELPED,
        base_url=url,
        credentials=Credentials(site(HELPED).token, site(HELPED).secret),
        limits=Limits(max_tries=1, timeout_seconds=0.3, max_body_bytes=1 << 20),
        horizon=Horizon(now=frozen(NOW)),
    )


def test_no_exception_holds_a_secret_or_a_person_however_far_it_is_followed(canary_sandbox: SandboxServer) -> None:
    raised = [*failures_of(canary_sandbox)]
    assert len(raised) == len(FAULTS)
    for url in ("http://127.0.0.1:9", "https://no-such-host.invalid"):
        with client_of(url) as client, pytest.raises(errors.NetworkError) as caught:
            Capture(client, by_name()["visitors"]).one(YESTERDAY)
        raised.append(caught.value)
    raised += [failure({"2026-11-19|landing": error}) for error in raised if isinstance(error, errors.IgniteError)]
    assert find_leaks(EVERYTHING, objects=raised) == []


def test_no_public_object_shows_a_secret_or_a_person(
    canary_sandbox: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("token", "secret"):
        monkeypatch.setenv(variable(HELPED, kind), getattr(site(HELPED), kind))
    location = {"id": 1, "resident": RESIDENT, "unknown": EMAIL}
    canary_sandbox.faults.add(Fault(endpoint="locations", body=json.dumps([location]).encode(), times=1))
    path = tmp_path / "ignite.toml"
    path.write_text(config_text(canary_sandbox.url, canary_sandbox.websites))
    settings = load_settings(path)
    ignite = IgniteResource.from_settings(settings)
    partition = Partition("locations", HELPED, YESTERDAY)
    with ignite.client(HELPED, Horizon(now=frozen(NOW))) as client:
        snapshot = Capture(client, by_name()["locations"]).one(YESTERDAY)
        shown = [
            client, snapshot, snapshot.staged, Landing(partition, snapshot), partition_metadata(snapshot, "x", 1.0),
            ignite, ignite.access, ignite.limits(), ignite.access[HELPED].credentials(HELPED), settings,
            settings.websites, build_defs(settings), Lake(settings.root), ParquetIOManager(root=settings.root),
            partition, Call(endpoint=by_name()["sales"]), Tally(), canary_sandbox, *canary_sandbox.websites,
            *canary_sandbox.requests, Fault(status=500),
        ]  # fmt: skip
        assert find_leaks(EVERYTHING, objects=shown) == []
        assert "Kanarien" in str(snapshot.preview)


def test_settings_made_by_hand_do_not_show_a_secret_in_the_place_of_a_name() -> None:
    with pytest.raises(ValidationError) as caught:
        Website(token_env=SECRETS["token"], secret_env="A")
    assert find_leaks(EVERYTHING, texts=[str(caught.value), repr(caught.value)]) == []


# The search itself.

AWKWARD = "t+/=%& \"'\\é€-X9"


def written() -> dict[str, str | bytes]:
    raw = AWKWARD.encode()
    quoted = quote(AWKWARD, safe="")
    as_json = json.dumps(AWKWARD)
    return {
        "as it is": f"…{AWKWARD}…",
        "in lower case": AWKWARD.lower(),
        "quoted": quote(AWKWARD),
        "quoted, all of it": quoted,
        "quoted, lower case": re.sub("%..", lambda code: code[0].lower(), quoted),
        "quoted with plus": quote_plus(AWKWARD),
        "quoted twice": quote(quoted, safe=""),
        "as a form": urlencode({"token": AWKWARD}),
        "JSON": as_json,
        "JSON, not ASCII": json.dumps(AWKWARD, ensure_ascii=False),
        "JSON in JSON": json.dumps(json.dumps({"a": AWKWARD})),
        "HTML": html.escape(AWKWARD),
        "repr": repr([AWKWARD]),
        "ascii": ascii(AWKWARD),
        "repr of bytes": repr(raw),
        "hexadecimal": raw.hex(),
        **{f"base64 after {n}": b64encode(b"a:?"[:n] + raw + b"!") for n in range(4)},
        **{f"url-safe base64 after {n}": urlsafe_b64encode(b"a:?"[:n] + raw + b"??") for n in range(4)},
        "UTF-16": AWKWARD.encode("utf-16"),
        "UTF-16, big-endian": AWKWARD.encode("utf-16-be"),
    }


@pytest.mark.parametrize("form", written())
def test_a_secret_is_found_in_every_form(form: str) -> None:
    assert find_leaks([AWKWARD], texts=[written()[form]])
    assert not find_leaks([AWKWARD.replace("X", "Y")], texts=[written()[form]])


def caught(error: Exception, *, cause: bool) -> BaseException:
    """The error as it is when it is raised while another that holds the secret is handled."""
    first = ValueError(AWKWARD)
    error.__context__ = first
    error.__cause__ = first if cause else None
    error.__suppress_context__ = True
    return error


def noted() -> BaseException:
    error = RuntimeError("no")
    error.add_note(AWKWARD)
    return error


def of_a_request() -> BaseException:
    prepared = requests.Request("GET", "http://127.0.0.1/", params={"token": AWKWARD}).prepare()
    return requests.ConnectionError("no", request=prepared)


RAISED: dict[str, Callable[[], BaseException]] = {
    "message": lambda: RuntimeError(AWKWARD),
    "argument": lambda: RuntimeError(1, {"headers": [AWKWARD]}),
    "cause": lambda: caught(RuntimeError("no"), cause=True),
    "context that a traceback hides": lambda: caught(RuntimeError("no"), cause=False),
    "note": noted,
    "request": of_a_request,
    "group": lambda: ExceptionGroup("no", [RuntimeError("no"), ValueError(AWKWARD)]),
}
"""Exceptions that hold a secret, each somewhere else."""


@pytest.mark.parametrize("place", RAISED)
def test_a_secret_is_found_wherever_an_exception_holds_it(place: str) -> None:
    found_there = find_leaks([AWKWARD], objects=[RAISED[place]()])
    assert found_there
    assert not find_leaks([AWKWARD], texts=[str(found_there), *map(str, found_there)])


def test_a_secret_is_found_in_a_repr() -> None:
    assert find_leaks([AWKWARD], objects=[{"token": AWKWARD}])


def test_a_secret_is_found_in_files_that_are_packed_or_cut_into_pages(tmp_path: Path) -> None:
    long = f"{'x' * 4000}{AWKWARD}{'y' * 4000}"
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute('CREATE TABLE "a ""b" (t TEXT, b BLOB)')
        database.execute('INSERT INTO "a ""b" VALUES (?, ?)', (long, zlib.compress(long.encode())))
        database.commit()
    (tmp_path / "a.gz").write_bytes(gzip.compress(long.encode()))
    pq.write_table(pa.table({"a": [long]}), tmp_path / "rows.parquet", compression="zstd")
    schema = pa.schema([pa.field("a", pa.string(), metadata={"d": AWKWARD})], metadata={"url": AWKWARD})
    pq.write_table(pa.table({"a": ["x"]}, schema=schema), tmp_path / "footer.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1" + AWKWARD.encode())
    places = {leak.where for leak in find_leaks([AWKWARD], folders=[tmp_path])}
    assert {'a.db, table a "b', 'a.db, table a "b, unpacked', "a.gz, unpacked", "rows.parquet, rows"} <= places
    assert {"footer.parquet, footer", "torn.parquet"} <= places
    without = {leak.where.partition(",")[0] for leak in find_leaks([AWKWARD], folders=[tmp_path], rows=False)}
    assert without == {"a.db", "a.gz", "footer.parquet", "torn.parquet"}


def test_a_leak_never_shows_the_secret_even_when_a_file_is_named_after_it(tmp_path: Path) -> None:
    (tmp_path / "token-hush-hush-77").write_text("hush-hush-77")
    leaks = find_leaks({"token": "hush-hush-77"}, folders=[tmp_path])
    assert {leak.where for leak in leaks} == {"token-***", "the name token-***"}
    assert "hush" not in f"{leaks} {leaks[0]}"
    assert str(Leak("token", "as it is", "a.log")) == "token, as it is, in a.log"


def test_a_secret_that_chance_would_find_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter than 6 characters, so found by chance: pin"):
        find_leaks({"pin": "1234", "token": "1234567"}, folders=[tmp_path])


def test_what_can_not_be_searched_is_told_rather_than_found_clean(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        find_leaks([AWKWARD], folders=[tmp_path / "no-such-folder"])
    with pytest.raises(TypeError):
        find_leaks(AWKWARD)
    with pytest.raises(TypeError):
        find_leaks([AWKWARD], texts="one text")


def test_the_fixture_is_a_running_platform_for_anybodys_tests(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        'from ignite_assets.testing import find_leaks\npytest_plugins = ["ignite_assets.testing"]\n'
    )
    (tmp_path / "test_mine.py").write_text(
        "import urllib.request\n"
        "def test_mine(ignite_sandbox):\n"
        "    site = ignite_sandbox.websites[0]\n"
        "    url = f'{ignite_sandbox.url}/api/visitors?token={site.token}&secret={site.secret}'\n"
        "    assert urllib.request.urlopen(url).status == 200\n"
        "    assert [request.website for request in ignite_sandbox.requests] == [site.key]\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
