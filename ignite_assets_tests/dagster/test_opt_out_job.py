"""Dropped files of opt-outs: dealt with by the job on a real instance, against a platform over HTTP."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest

from ignite_assets.api.horizon import utc_now
from ignite_assets.audiences import ledger
from ignite_assets.audiences.inbox import clear, dropped
from ignite_assets.audiences.opt_outs import Person
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.automation import opt_out_job as opt_outs
from ignite_assets.dagster.automation.alerts import Ours, failed_partitions, messages
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.keys import PLAIN
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.sandbox.optouts import fingerprint
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store
from ignite_assets.testing import find_leaks
from ignite_assets_tests.audiences.captures import tally
from ignite_assets_tests.audiences.drops.shapes import SHAPES, Shape
from ignite_assets_tests.conftest import ACME, QUIET, WEBSITES, config_text, reasons, set_credentials

CANARY = "c4n4ry.o'neil+news@c4n4rymail.com"
SECRETS = {"address": CANARY, "domain": "c4n4rymail"}
PEOPLE = [f"person{number:02d}.of.a.long.name@example.com" for number in range(30)]
BATCHED = 'inbox = "inbox"\nmax_url_chars = 500\n'


class Recorder:
    """A platform that acknowledges every call and keeps its path with the query."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        paths = self.paths

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                paths.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=[0.05])

    def __enter__(self) -> "Recorder":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    def batches(self) -> list[list[str]]:
        """The addresses of each call."""
        return [json.loads(parse_qs(urlsplit(path).query)["emails"][0]) for path in self.paths]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """A platform of one test's own: it remembers who opted out."""
    with SandboxServer(WEBSITES) as server:
        yield server


class Office:
    """Where files are dropped and dealt with."""

    def __init__(self, folder: Path, url: str, instance: dg.DagsterInstance, more: str = 'inbox = "inbox"\n') -> None:
        self.folder, self.instance = folder, instance
        (folder / "ignite.toml").write_text(config_text(url, WEBSITES, more=f"[opt_outs]\n{more}"))
        self.settings: Settings = load_settings(folder / "ignite.toml")
        self.lake = Lake(self.settings.root)

    def drop(self, name: str, text: str | bytes) -> Path:
        path = self.folder / "inbox" / ACME.key / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def run(self, label: str, *, loud: bool = False, again: bool = False) -> dg.ExecuteInProcessResult:
        config = {"ops": {opt_outs.OP: {"config": {"website": ACME.key, "label": label, "again": again}}}}
        return (
            build_defs(self.settings)
            .resolve_job_def(opt_outs.JOB)
            .execute_in_process(
                instance=self.instance,
                raise_on_error=False,
                run_config={**config, **({} if loud else {"loggers": QUIET})},
            )
        )

    def inbox(self) -> list[str]:
        """The files left, their digests cut off."""
        root = self.folder / "inbox" / ACME.key
        left = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
        return sorted(re.sub("[0-9a-f]{12}-", "", name) for name in left)

    def known(self) -> tuple[int, int]:
        """How many people are suppressed, and how many of them the platform knows."""
        known, submitted, _ = tally(self.lake, ACME.key)
        return known, submitted


@pytest.fixture
def office(
    tmp_path: Path, sandbox: SandboxServer, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Office:
    set_credentials(monkeypatch)
    return Office(tmp_path, sandbox.url, instance)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "Name,E-Mail Address\nAnn,Ann@Example.com \nBob,bob@example.com\n"),
        ("a.csv", "1,ann@example.com\n2,bob@example.com\n"),
        ("a.txt", "\ufeffann@example.com\r\nbob@example.com"),
        ("a.json", '["ann@example.com", {"email": "bob@example.com"}]'),
    ],
)
def test_a_file_of_any_form_is_submitted_and_deleted(
    office: Office, sandbox: SandboxServer, name: str, text: str
) -> None:
    office.drop(name, text)
    assert office.run(name).success
    everyone = {fingerprint("ann@example.com"), fingerprint("bob@example.com")}
    assert sandbox.world.opt_outs.of(ACME.key) == everyone
    assert office.known() == (2, 2)
    assert office.inbox() == []


@pytest.mark.usefixtures("chatty")
def test_a_long_submission_tells_the_event_log_how_many_it_has_done_and_never_whom(
    tmp_path: Path, recorder: Recorder, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_credentials(monkeypatch)
    office = Office(tmp_path, recorder.url, instance, BATCHED)
    office.drop("many.txt", "\n".join([*PEOPLE, CANARY]))

    done = office.run("many.txt")

    said = [each.user_message for each in instance.all_logs(done.run_id) if not each.dagster_event]
    lines = [line.partition(", ")[0] for line in said if "submitted, " in line and "/" in line]
    assert len(lines) == len(recorder.batches())
    assert lines[-1] == "31 of 31 people submitted"
    assert not any("@" in line or SECRETS["domain"] in line for line in said)


def test_a_bad_line_is_told_by_its_number_beside_the_processed_file(office: Office) -> None:
    office.drop("a.txt", "ann@example.com\nnobody here\nbob@example.com\n")
    assert "line 2: not an e-mail address" in reasons(office.run("a.txt"))[opt_outs.OP]
    assert office.known() == (2, 2)
    assert office.inbox() == ["processed/a.txt.rejects"]
    (rejects,) = (office.folder / "inbox" / ACME.key / "processed").iterdir()
    assert rejects.read_text() == "line,reason,content\n2,not an e-mail address,nobody here\n"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.txt", f"ann@example.com\nnobody {CANARY}\n", "1 line rejected (line 2: an address in a sentence"),
        ("b.csv", f"Left,Right\nann@example.com,{CANARY}\n", "nobody can tell which column"),
    ],
)
def test_what_a_person_has_to_look_at_is_alerted_for_the_file_alone(
    office: Office, name: str, text: str, reason: str
) -> None:
    office.drop(name, text)
    office.run(name)
    records = office.instance.get_run_records()
    (message,) = messages(office.instance, records, failed_partitions, Ours(office.settings, PLAIN))
    said = message.text("did not land")
    assert (message.website, message.file) == (ACME.key, name)
    assert reason in said
    assert "@" not in said


def test_processed_files_are_kept_where_that_is_configured(
    tmp_path: Path, sandbox: SandboxServer, instance: dg.DagsterInstance, office: Office
) -> None:
    office = Office(tmp_path, sandbox.url, instance, 'inbox = "inbox"\nkeep_processed = true\n')
    office.drop("a.txt", "ann@example.com")
    assert office.run("a.txt").success
    assert office.inbox() == ["processed/a.txt"]


def test_a_file_that_cannot_be_read_fails_the_run_and_is_kept_for_somebody_to_look_at(office: Office) -> None:
    office.drop("a.json", "{")
    result = office.run("a.json")
    assert "not JSON" in reasons(result)[opt_outs.OP]
    assert office.inbox() == ["processed/a.json.rejects"]


def test_a_file_that_is_gone_is_nothing_to_do(office: Office) -> None:
    assert office.run("a.txt").success


def test_hashes_are_suppressed_without_asking_the_platform(office: Office, sandbox: SandboxServer) -> None:
    hashes = Person("ann@example.com").hashes
    office.drop("hashes/a.txt", f"{hashes.md5}\n{hashes.sha256}\n")
    assert office.run("hashes/a.txt").success
    assert office.known() == (2, 0)
    assert len(sandbox.requests) == 0
    assert office.inbox() == []


@pytest.mark.parametrize("limit", [500, 4000])
def test_no_url_is_longer_than_its_bound_and_none_much_shorter_than_it_could_be(
    tmp_path: Path, recorder: Recorder, instance: dg.DagsterInstance, office: Office, limit: int
) -> None:
    office = Office(tmp_path, recorder.url, instance, f'inbox = "inbox"\nmax_url_chars = {limit}\n')
    people = [f"person+{number}.ö'{'x' * (number % 20)}@example.com" for number in range(200)]
    office.drop("a.txt", "\n".join(people))
    assert office.run("a.txt").success
    assert [one for batch in recorder.batches() for one in batch] == people
    lengths = [len(recorder.url + path) for path in recorder.paths]
    assert max(lengths) <= limit
    assert min(lengths[:-1]) > limit - 120


def test_a_platform_that_fails_keeps_the_file_and_is_asked_for_the_rest_alone(
    tmp_path: Path, sandbox: SandboxServer, instance: dg.DagsterInstance, office: Office
) -> None:
    office = Office(tmp_path, sandbox.url, instance, BATCHED)
    office.drop("a.txt", "\n".join(PEOPLE))
    sandbox.faults.add(Fault(endpoint="opt_outs", delay=0, status=200, body=b"{}", times=2), Fault(status=503))
    result = office.run("a.txt")
    assert "the platform failed (status 503" in reasons(result)[opt_outs.OP]
    known, submitted = office.known()
    assert known == 30
    assert 0 < submitted < 30
    assert office.inbox() == ["a.txt"]
    sandbox.faults.clear()
    assert office.run("a.txt").success
    assert office.known() == (30, 30)
    assert sandbox.world.opt_outs.of(ACME.key) == {fingerprint(one) for one in PEOPLE if PEOPLE.index(one) >= submitted}
    assert office.inbox() == []


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.txt", "ann@example.com\nbob@example.com\n"), ("a.csv", "Email\nbob@example.com\nann@example.com\n")],
)
def test_an_opt_out_that_is_taken_back_while_its_file_waits_stays_so(
    office: Office, sandbox: SandboxServer, name: str, text: str
) -> None:
    office.drop(name, text)
    sandbox.faults.add(Fault(endpoint="opt_outs", status=400, times=1))
    assert not office.run(name).success
    ann = [Person("ann@example.com").hashes]
    assert ledger.withdraw(office.lake, ACME.key, [ann], reason="signed up again", at=utc_now()) == 1

    assert office.run(name, again=True).success
    assert sandbox.world.opt_outs.of(ACME.key) == {fingerprint("bob@example.com")}
    assert office.known() == (1, 1)

    office.drop(name, text)  # as another file that says so again, and has to wait as well
    sandbox.faults.add(Fault(endpoint="opt_outs", status=400, times=1))
    assert not office.run(name).success
    assert office.run(name, again=True).success
    assert sandbox.world.opt_outs.of(ACME.key) == {fingerprint("ann@example.com"), fingerprint("bob@example.com")}
    assert office.known() == (2, 2)


@pytest.mark.slow
def test_killed_at_any_moment_it_loses_nobody_and_a_repeat_submits_the_rest(
    tmp_path: Path, recorder: Recorder, instance: dg.DagsterInstance, office: Office
) -> None:
    office = Office(tmp_path, recorder.url, instance, BATCHED)
    everyone = set(PEOPLE)
    for moment in (1, 4, 6, 8, 12):
        office.drop("a.txt", "\n".join(PEOPLE) + "\n" * moment)
        assert _killed(office, moment) == -signal.SIGKILL
        assert office.known()[0] in (0, 30), "the ledger has all of them before anybody is told"
        told = {one for batch in recorder.batches() for one in batch}
        assert office.known()[1] <= len(told)
        assert office.inbox() == ["a.txt"] if moment < 12 else [".deleted/a.txt"]
    clear(Store(str(office.folder / "inbox")), [ACME.key])  # as the sensor does
    assert office.run("a.txt").success
    assert office.known() == (30, 30)
    batches = recorder.batches()
    assert {one for batch in batches for one in batch} == everyone
    assert len(batches) <= 5 + len({tuple(batch) for batch in batches}), "at most one batch again after each kill"
    assert office.inbox() == []


def _killed(office: Office, moment: int) -> int:
    environment = {
        **os.environ,
        "IGNITE_CONFIG": str(office.settings.path),
        "DAGSTER_HOME": str(Path(office.instance.root_directory)),
    }
    command = [sys.executable, "-m", "ignite_assets_tests.opting_out", ACME.key, "a.txt", str(moment)]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=240).returncode


def test_addresses_are_nowhere_but_on_their_way_to_the_platform(
    office: Office, sandbox: SandboxServer, capfd: pytest.CaptureFixture[str]
) -> None:
    text = f"{CANARY}\nnobody {CANARY}\n"
    office.drop("a.txt", text)
    sandbox.faults.add(Fault(endpoint="opt_outs", status=500, body=CANARY.encode(), times=1))
    results = [office.run("a.txt", loud=True)]
    results.append(office.run("a.txt", loud=True))
    label = f"{CANARY}.csv"
    office.drop(label, text)
    office.drop("hashes/b.txt", text)
    office.drop("c.json", json.dumps([{"email": CANARY}])[:-1])
    for file in dropped(Store(str(office.folder / "inbox")), [ACME.key]):
        results.append(office.run(file.label, loud=True))
    assert not any(result.success for result in results)
    for kept in (office.folder / "inbox").rglob("*.rejects"):
        kept.unlink()  # what a person has to look at is kept beside the dropped files, for its owner alone
    assert not [name for name in office.inbox() if "c4n4ry" in name]
    out, err = capfd.readouterr()
    assert "line 2: an address in a sentence" in err
    home = Path(office.instance.root_directory)
    assert not find_leaks(SECRETS, folders=[home, office.folder], texts={"out": out, "err": err})


def test_a_file_system_that_fails_is_told_of_without_the_files_name(
    tmp_path: Path, sandbox: SandboxServer, instance: dg.DagsterInstance, office: Office
) -> None:
    office = Office(tmp_path, sandbox.url, instance, 'inbox = "inbox"\nkeep_processed = true\n')
    office.drop(f"{CANARY}.txt", "ann@example.com")
    office.drop("processed", "a file in the folder's place")
    (file, _) = dropped(Store(str(office.folder / "inbox")), [ACME.key])
    result = office.run(file.label)
    assert reasons(result) == {opt_outs.OP: "the inbox or the lake could not be read or written (FileExistsError 17)"}
    assert office.known() == (1, 1)
    assert f"{CANARY}.txt" in office.inbox()
    assert not find_leaks(SECRETS, folders=[Path(instance.root_directory)])


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape_of_file_is_dealt_with_as_the_page_says(
    office: Office, sandbox: SandboxServer, shape: Shape
) -> None:
    path = office.drop(shape.name, shape.data)
    result = office.run(shape.name)
    assert result.success == (not shape.kept)
    assert office.known() == (len(shape.suppressed), len(shape.submitted))
    assert sandbox.world.opt_outs.of(ACME.key) == set(map(fingerprint, shape.submitted))
    left = [found for found in (office.folder / "inbox").rglob("*") if found.is_file()]
    assert bool(left) == bool(shape.kept)
    if shape.kept == "the file":
        assert [found.read_bytes() for found in left] == [shape.data]
    if shape.kept == "lines":
        assert not path.exists()


def test_the_column_of_the_configuration_decides_for_its_website(
    tmp_path: Path, sandbox: SandboxServer, instance: dg.DagsterInstance, office: Office
) -> None:
    office.drop("a.csv", "Email,Customer Email\nrep@example.com,ann@example.com\n")
    assert "Email, Customer Email" in reasons(office.run("a.csv"))[opt_outs.OP]
    assert (office.known(), office.inbox()) == ((2, 0), ["a.csv"])
    more = f'inbox = "inbox"\ncolumns = {{ {ACME.key} = "Customer Email" }}\n'
    office = Office(tmp_path, sandbox.url, instance, more)
    assert office.run("a.csv").success
    assert sandbox.world.opt_outs.of(ACME.key) == {fingerprint("ann@example.com")}
