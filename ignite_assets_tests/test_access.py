"""Credentials go to the platform alone, and nothing gets out of its place: addresses, certificates, files, names."""

import datetime as dt
import io
import os
import socket
import ssl
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ignite_assets
from ignite_assets.api.client import IgniteClient
from ignite_assets.api.endpoints import by_name
from ignite_assets.api.errors import ConfigurationError, NetworkError, RedirectedError
from ignite_assets.api.patience import Limits, Tally
from ignite_assets.api.protocol import Call, Credentials
from ignite_assets.cli.sandbox import write_configuration
from ignite_assets.config import load_settings
from ignite_assets.dagster.automation import webhook as notify
from ignite_assets.dagster.io_manager import IO_MANAGER, ParquetIOManager
from ignite_assets.dagster.resources import IgniteResource, WebsiteAccess
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets_tests.api.servers import RawServer, ok, self_signed
from ignite_assets_tests.commands import IGNITE_ASSETS, environment
from ignite_assets_tests.conftest import ACME, config_text
from ignite_assets_tests.docs.settings import reference

DAY = dt.date(2026, 11, 19)
CREDENTIALS = Credentials("a-token", "a-secret")
LISTING = Call(endpoint=by_name()["audience_groups"])


def client_of(url: str, credentials: Credentials = CREDENTIALS) -> IgniteClient:
    return IgniteClient(
        website="acme-honda", base_url=url, credentials=credentials, limits=Limits(max_tries=1, timeout_seconds=5)
    )


def ask(client: IgniteClient) -> int:
    """The bytes that the platform answers a call with."""
    with client:
        return client.read(LISTING, lambda pieces: sum(map(len, pieces)), Tally())


@pytest.fixture(autouse=True)
def _environment_without_proxies_and_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    """As most machines are; each test names what it is about."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


# Addresses.

UNSAFE = (
    "http://e.atrc.link", "http://localhost.example.com", "http://0.0.0.0", "http://10.0.0.1", "http://2130706433",
    "http://[::]", "http://127.0.0.1@e.atrc.link", "https://user:word@e.atrc.link", "https://e.atrc.link?a=b",
    "ftp://localhost", "file:///etc/passwd", "e.atrc.link", "", "HTTP://e.atrc.link", "http:\\\\e.atrc.link",
    "http://loc\u0430lhost",
)  # fmt: skip


@pytest.mark.parametrize("url", UNSAFE)
def test_no_client_is_made_for_an_address_that_is_neither_https_nor_loopback(url: str) -> None:
    with pytest.raises(ConfigurationError, match="an https URL, or an http one on loopback") as caught:
        client_of(url)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("url", ["https://e.atrc.link/", "http://127.0.0.1:1", "http://localhost", "http://[::1]:80"])
def test_a_client_is_made_for_https_and_for_loopback(url: str) -> None:
    client_of(url).close()


def test_a_resource_made_by_hand_makes_no_client_for_an_unsafe_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "a-token")
    monkeypatch.setenv("A_SECRET", "a-secret")
    access = WebsiteAccess(token_env="A_TOKEN", secret_env="A_SECRET", algo="md5")
    ignite = IgniteResource(base_url="http://e.atrc.link", websites={"acme": access})
    with pytest.raises(ConfigurationError, match="neither https nor loopback"):
        ignite.client("acme")


def test_settings_made_by_hand_refuse_an_unsafe_address_without_showing_it(settings: Any) -> None:
    with pytest.raises(ValueError, match="neither https nor loopback") as caught:
        type(settings.platform)(base_url="http://secret-host.example")
    assert "secret-host" not in str(caught.value)


def test_a_redirect_reaches_no_other_host(sandbox: SandboxServer) -> None:
    with RawServer(ok(b"[]")) as other:
        for status in (301, 302, 303, 307, 308):
            sandbox.faults.add(Fault(status=status, headers={"Location": f"{other.url}/api/visitors"}, times=1))
            with pytest.raises(RedirectedError, match="redirects, which is not followed"):
                ask(client_of(sandbox.url, Credentials(ACME.token, ACME.secret)))
        assert other.requests == []


# Certificates.


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[RawServer]:
    """A server with a certificate that nobody has signed."""
    context, _ = self_signed(tmp_path)
    with RawServer(ok(b"[]"), tls=context) as server:
        yield server


@pytest.mark.parametrize(
    "variables",
    [
        {}, {"CURL_CA_BUNDLE": ""}, {"REQUESTS_CA_BUNDLE": ""}, {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""},
        {"PYTHONHTTPSVERIFY": "0"}, {"SSL_CERT_FILE": "/dev/null"}, {"GIT_SSL_NO_VERIFY": "1"},
        {"NODE_TLS_REJECT_UNAUTHORIZED": "0"},
    ],
    ids=str,
)  # fmt: skip
def test_no_variable_makes_a_client_trust_a_certificate_that_nobody_signed(
    untrusted: RawServer, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(NetworkError, match="TLS failed"):
        ask(client_of(untrusted.url))
    assert untrusted.requests == []


def test_python_told_to_check_no_certificates_does_not_change_the_client(
    untrusted: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    with pytest.raises(NetworkError, match="TLS failed"):
        ask(client_of(untrusted.url))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("value", ["0", "false", "/no/such/bundle"])
def test_a_bundle_that_is_not_there_is_told_rather_than_passed_over(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        client_of("https://localhost")


def test_no_option_turns_the_check_off() -> None:
    words = ("verify", "insecure", "certificate", "tls", "ssl")
    assert [row.key for row in reference() if any(word in row.key for word in words)] == []
    assert [name for name in IgniteResource.model_fields if any(word in name for word in words)] == []
    package = Path(ignite_assets.__file__).parent
    sources = {path.name: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    told = ("verify=False", "CERT_NONE", "_create_unverified_context", "check_hostname", "disable_warnings")
    assert [(name, word) for name, source in sources.items() for word in told if word in source] == []


def test_the_webhook_checks_certificates_too(untrusted: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    with pytest.raises(notify.NotDeliveredError):
        notify.post(f"{untrusted.url}/hook", "text")
    assert untrusted.requests == []


# Proxies and .netrc.


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """A proxy that the environment names for everything."""
    with RawServer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, server.url)
            monkeypatch.setenv(name.upper(), server.url)
        yield server


@pytest.mark.parametrize("bypassed", ["", "e.atrc.link", "*"])
def test_loopback_never_goes_through_a_proxy(
    proxy: RawServer, sandbox: SandboxServer, bypassed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", bypassed)
    monkeypatch.setenv("no_proxy", bypassed)
    assert ask(client_of(sandbox.url, Credentials(ACME.token, ACME.secret))) > 2
    assert proxy.requests == []


def test_a_proxy_sees_the_platforms_name_and_nothing_else(proxy: RawServer) -> None:
    with pytest.raises(NetworkError) as caught:
        ask(client_of("https://platform.example"))
    (request,) = proxy.requests
    assert request.startswith(b"CONNECT platform.example:443 HTTP/1.")
    assert b"token" not in request
    assert b"secret" not in request
    assert proxy.url not in str(caught.value)


def test_a_proxys_own_password_stands_in_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:proxy-password@127.0.0.1:9")
    with pytest.raises(NetworkError) as caught:
        ask(client_of("https://platform.example"))
    assert "proxy-password" not in repr(vars(caught.value)) + str(caught.value)


def test_a_loopback_webhook_never_goes_through_a_proxy(proxy: RawServer) -> None:
    with RawServer(ok(b"ok")) as receiver:
        notify.post(f"{receiver.url}/services/T0/B0/key", "text")
        assert len(receiver.requests) == 1
    assert proxy.requests == []


def test_a_netrc_adds_no_password_to_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login user password netrc-password\ndefault login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    with RawServer(ok(b"[]")) as platform, RawServer(ok(b"ok")) as receiver:
        ask(client_of(platform.url))
        notify.post(f"{receiver.url}/hook", "text")
        heard = [*platform.requests, *receiver.requests]
    assert len(heard) == 2
    assert not any(b"authorization" in request.lower() for request in heard)


# What listens.


def listening(pid: int) -> set[str]:
    """The addresses that a process listens on, TCP, as the kernel writes them."""
    sockets = {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
    inodes = {name.removeprefix("socket:[").rstrip("]") for name in sockets if name.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].partition(":")[0])
    return found


LOOPBACK = {"0100007F"}
needs_proc = pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="asks Linux's /proc")


@needs_proc
def test_the_sandbox_listens_on_loopback_alone(tmp_path: Path) -> None:
    with subprocess.Popen(
        [IGNITE_ASSETS, "sandbox", "--folder", str(tmp_path / "s")], env=environment(), stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout
            while b"Stop it with" not in process.stdout.readline():
                assert process.poll() is None
            assert listening(process.pid) == LOOPBACK
        finally:
            process.terminate()


def test_nothing_in_the_package_listens_on_every_address() -> None:
    package = Path(ignite_assets.__file__).parent
    everywhere = ('"0.0.0.0"', '"::"', 'bind((""')
    sources = {path.name: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    assert [(name, word) for name, source in sources.items() for word in everywhere if word in source] == []


def test_the_sandbox_has_no_option_for_another_address() -> None:
    with SandboxServer() as server:
        assert server.url.startswith("http://127.0.0.1:")
        for address in other_addresses():
            with pytest.raises(OSError), socket.create_connection((address, server.port), timeout=1):  # noqa: PT011
                pass


def other_addresses() -> set[str]:
    """This machine's addresses but loopback's."""
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return set()
        return {probe.getsockname()[0]} - {"127.0.0.1", "0.0.0.0"}


# Files.


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("umask", "files", "folders"), [(0o077, 0o600, 0o700), (0o027, 0o640, 0o750)])
def test_what_a_lake_holds_is_made_with_the_users_umask(tmp_path: Path, umask: int, files: int, folders: int) -> None:
    before = os.umask(umask)
    try:
        file = io.BytesIO()
        pq.write_table(pa.table({"id": [1]}), file)
        Lake(str(tmp_path / "lake")).commit(Partition("visitors", "acme-honda", DAY), file)
    finally:
        os.umask(before)
    made = [tmp_path / "lake", *(tmp_path / "lake").rglob("*")]
    assert {mode(path) for path in made if path.is_file()} == {files}
    assert {mode(path) for path in made if path.is_dir()} == {folders}


def test_the_folder_of_demo_and_sandbox_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with SandboxServer() as server:
            write_configuration(server, tmp_path / ".demo")
    finally:
        os.umask(before)
    assert mode(tmp_path / ".demo") == 0o700


# Names.

ESCAPING = (
    "..", "../other", "a/../../b", "/etc", "a/b", "a\\b", "a|b", "a\0b", "a\nb", "CON", "con", "nul.txt", "COM1", ".",
    ".hidden", "a.", "", "\uff0e\uff0e/x", "acme\u2215x", "\u0430cme", "\uff41cme", "a%2f..", "a=b", "~", "$HOME", "*",
)  # fmt: skip


@pytest.mark.parametrize("key", ESCAPING)
def test_no_configured_website_key_can_name_another_place(tmp_path: Path, key: str) -> None:
    escaped = "".join(f"\\u{ord(each):04x}" for each in key)
    path = tmp_path / "ignite.toml"
    path.write_text(
        f'partitions.start_date = "2026-09-01"\n[websites."{escaped}"]\ntoken_env = "A"\nsecret_env = "B"\n'
    )
    with pytest.raises(ConfigurationError, match=r"found this key|not TOML"):
        load_settings(path)


@pytest.mark.parametrize("name", ESCAPING)
@pytest.mark.parametrize("place", ["website", "asset"])
def test_no_name_of_a_partition_can_leave_its_folder(name: str, place: str) -> None:
    names = {"asset": "visitors", "website": "acme-honda", place: name}
    with pytest.raises(ConfigurationError, match="can't name"):
        Partition(date=DAY, **names)


def test_a_folder_that_no_partition_can_have_is_not_listed(tmp_path: Path) -> None:
    for website in ("acme-honda", "..acme", "ACME", "acme%2fhonda"):
        folder = tmp_path / "visitors" / f"website={website}" / "date=2026-11-19"
        folder.mkdir(parents=True)
        (folder / "part-0.parquet").write_bytes(b"PAR1" * 3)  # no less than an empty table takes
    assert Lake(str(tmp_path)).partitions("visitors") == [Partition("visitors", "acme-honda", DAY)]


def test_an_asset_of_yours_with_a_partition_that_would_escape_stores_nothing(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    keys = dg.MultiPartitionsDefinition(
        {
            "date": dg.StaticPartitionsDefinition(["2026-11-19"]),
            "website": dg.StaticPartitionsDefinition(["..", "x/../../../out"]),
        }
    )

    @dg.asset(partitions_def=keys, io_manager_key=IO_MANAGER)
    def mine() -> pa.Table:
        return pa.table({"id": [1]})

    for website in ("..", "x/../../../out"):
        result = dg.materialize(
            [mine],
            partition_key=dg.MultiPartitionKey({"date": "2026-11-19", "website": website}),
            resources={IO_MANAGER: ParquetIOManager(root=str(tmp_path / "deep" / "lake"))},
            instance=instance,
            raise_on_error=False,
        )
        assert not result.success
    assert not list(tmp_path.rglob("*.parquet"))


@pytest.mark.parametrize("query", ["client_secret=x", "account_KEY=x", "a=b&sas_token=x", "sig=x", "password=x"])
def test_a_lake_whose_address_holds_a_secret_is_refused_without_showing_it(tmp_path: Path, query: str) -> None:
    path = tmp_path / "ignite.toml"
    path.write_text(config_text("https://e.atrc.link", [ACME]).replace('"lake"', f'"abfs://lake/x?{query}-canary"'))
    with pytest.raises(ConfigurationError, match=r"storage\.root") as caught:
        load_settings(path)
    assert "canary" not in str(caught.value)
