"""The services of deploy/compose.yaml as processes, each with the file's own command, environment and order.

Each listens on the port that the file gives it, at a loopback address of its own, which takes the place of its name.
In the place of images that are not ours stand Debian's Postgres, PgBouncer and Redis, and moto's server for the S3
store.
"""

import contextlib
import functools
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
import yaml

from ignite_assets_tests.commands import BIN, PATIENCE, ROOT, environment, until
from soak.processes import Process

DEPLOY = ROOT / "deploy"
_COMPOSE: Mapping[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: Mapping[str, Mapping[str, Any]] = _COMPOSE["services"]
HOME = "/opt/ignite"
"""The folder of the image, for which a temporary one stands; as one does for `/etc`."""
_VARIABLE = re.compile(r"\$\{(\w+)(?::\?[^}]*)?\}")
_UNPRIVILEGED = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")


def debian(program: str, package: str) -> str:
    """A program of one of Debian's packages; a server's may not be on the PATH."""
    places = [*map(str, Path("/usr/lib/postgresql").glob("*/bin")), *os.get_exec_path(), "/usr/sbin"]
    found = shutil.which(program, path=os.pathsep.join(places))
    assert found, f"{program} is missing: apt-get install {package}"
    return found


def image_environment() -> dict[str, str]:
    """The variables that the Dockerfile sets."""
    (words,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    return dict(word.split("=", 1) for word in words.replace("\\\n", "").split())


class Stack:
    """The services of the Compose file, in a folder of their own; `variables` are those of its `.env`."""

    def __init__(self, variables: Mapping[str, str], profiles: Sequence[str] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ignite-deploy-"))
        self.folder.chmod(0o755)  # Postgres runs as another user
        self.home = self.folder / "home"
        made_up = dict.fromkeys(("POSTGRES_PASSWORD", "STORE_ACCESS_KEY", "STORE_SECRET_KEY"), "made-up")
        self._variables = {**made_up, **variables}
        self._names = [name for name, of in SERVICES.items() if set(of.get("profiles", ())) <= set(profiles)]
        chance = random.SystemRandom()
        net = f"127.{chance.randrange(1, 255)}.{chance.randrange(1, 255)}"
        self.addresses = {name: f"{net}.{10 * number}" for number, name in enumerate(SERVICES, 1)}
        self.processes: dict[str, Process] = {}
        self._lay_out()

    def _lay_out(self) -> None:
        """The image's folder with what the volumes put there."""
        for name in ("dagster_home", "scratch"):
            (self.home / name).mkdir(parents=True)
        for volume in SERVICES["daemon"]["volumes"]:
            file, place, _ = volume.split(":")
            Path(self._addressed(place)).write_text(self._addressed((DEPLOY / file).read_text()))

    def _addressed(self, text: str) -> str:
        """A text with addresses for the services' names, where these stand before a port or end a line."""
        for name, address in self.addresses.items():
            text = re.sub(rf"(?<![\w.@/-]){name}(?=$)|(?<=//){name}(?=:\d)", address, text, flags=re.MULTILINE)
        return text.replace(HOME, str(self.home)).replace("/etc/", f"{self.folder}/etc/")

    def _filled(self, value: object) -> str:
        """A value of the Compose file with its variables; `KeyError` for one that is not set."""
        return self._addressed(_VARIABLE.sub(lambda found: self._variables[found[1]], str(value)))

    def environment(self, name: str) -> dict[str, str]:
        """The environment of a service of our image."""
        image = {key: self._addressed(value) for key, value in image_environment().items()}
        listed = self._variables if "env_file" in SERVICES[name] else {}
        return {**image, **listed, **self._given(name)}

    def _given(self, name: str) -> dict[str, str]:
        return {key: self._filled(value) for key, value in SERVICES[name].get("environment", {}).items()}

    def up(self, *names: str) -> None:
        """Start services, all unless named, and before each what it waits for."""
        for name in names or self._names:
            if name in self.processes:
                continue
            for other, how in SERVICES[name].get("depends_on", {}).items():
                self.up(other)
                if how["condition"] == "service_healthy":
                    until(functools.partial(self._is_healthy, other), f"{other} is healthy")
            self.start(name)

    def start(self, name: str) -> None:
        """Start a service, also after it was killed, and wait for the end of one that ends by itself."""
        first, _, last = self.addresses[name].rpartition(".")
        for number in range(SERVICES[name].get("deploy", {}).get("replicas", 1)):
            process = self._process(name, f"{first}.{int(last) + number}")
            self.processes[f"{name} {number}" if number else name] = process
            process.start()
            if SERVICES[name]["restart"] == "no":
                process.wait()
                assert process.status == 0, self.log(name)

    def _process(self, name: str, address: str) -> Process:
        self._configure(name, address)
        image = SERVICES[name]["image"].partition(":")[0]
        program, *words = SERVICES[name]["command"]
        words = [self._filled(word).replace("0.0.0.0", address).replace("%h", address) for word in words]
        if image in STAND_INS:
            command, given = STAND_INS[image](self.folder, [program, *words], address, self._given(name)), {}
        else:
            command, given = [str(BIN / program), *words], self.environment(name)
        return Process(command, given, self._log(name), folder=self.home, base=environment())

    def _configure(self, name: str, address: str) -> None:
        """Write the files that the Compose file has for a service."""
        for of in SERVICES[name].get("configs", ()):
            file = Path(self._addressed(of["target"]))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self._filled(_COMPOSE["configs"][of["source"]]["content"]).replace("0.0.0.0", address))

    def kill(self, name: str) -> None:
        """End a service at once, with whatever it started."""
        self.processes.pop(name).kill_all()

    def down(self) -> None:
        """End everything, the database last, and remove the folder."""
        for name in reversed(list(self.processes)):
            self.kill(name)
        shutil.rmtree(self.folder)

    def _is_healthy(self, name: str) -> bool:
        """What the service's own health check says."""
        _, program, *words = SERVICES[name]["healthcheck"]["test"]
        found = str(BIN / program) if (BIN / program).exists() else debian(program, "postgresql")
        command, given = [found, *map(self._filled, words)], environment(**self.environment(name))
        done = subprocess.run(command, env=given, cwd=self.home, capture_output=True, timeout=PATIENCE, check=False)
        return done.returncode == 0

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def log(self, name: str) -> str:
        """The end of what a service logged."""
        with contextlib.suppress(FileNotFoundError):
            return self._log(name).read_text(errors="replace")[-3000:]
        return ""

    def print_logs(self) -> None:
        """Print the end of what each service logged."""
        for name in SERVICES:
            print(f"--- {name}\n{self.log(name)}")  # noqa: T201 - for whoever looks at the failure

    def logs(self) -> str:
        """All that was logged."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def ask(self, query: str, **variables: Any) -> Any:
        """The answer of the webserver's GraphQL."""
        url = f"http://{self.addresses['webserver']}:3000/graphql"
        answer = requests.post(url, json={"query": query, "variables": variables}, timeout=PATIENCE).json()
        assert "errors" not in answer, answer
        (found,) = answer["data"].values()
        return found

    def answers(self) -> bool:
        """Whether the webserver has the code location."""
        query = "{ repositoriesOrError { __typename ... on RepositoryConnection { nodes { name } } } }"
        with contextlib.suppress(requests.ConnectionError):
            return bool(self.ask(query).get("nodes"))
        return False


def _postgres(folder: Path, command: Sequence[str], address: str, given: Mapping[str, str]) -> list[str]:
    """What the image's entrypoint does: a cluster with the user and the database that the environment names."""
    data, password = folder / "database", folder / "password"
    data.mkdir()
    password.write_text(given["POSTGRES_PASSWORD"])
    as_user = _UNPRIVILEGED if os.geteuid() == 0 else ()
    if as_user:
        shutil.chown(data, "nobody", "nogroup")
    server, make = debian(command[0], "postgresql"), debian("initdb", "postgresql")
    at, who = ("-D", str(data)), ("-U", given["POSTGRES_USER"], "-A", "scram-sha-256", f"--pwfile={password}")
    _run(*as_user, make, *at, *who, "-E", "UTF8", "--no-sync")
    _run(*as_user, server, "--single", *at, "postgres", stdin=f'CREATE DATABASE "{given["POSTGRES_DB"]}"\n')
    return [*as_user, server, *at, *command[1:], "-h", address, "-k", str(data), "-F"]


def _pool(_: Path, command: Sequence[str], __: str, ___: Mapping[str, str]) -> list[str]:
    """PgBouncer refuses to run as root."""
    return [*(_UNPRIVILEGED if os.geteuid() == 0 else ()), debian(command[0], "pgbouncer"), *command[1:]]


def _run(*command: str, stdin: str = "") -> None:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PATIENCE, cwd="/", check=False)
    assert done.returncode == 0, done.stderr


def _redis(folder: Path, command: Sequence[str], address: str, _: Mapping[str, str]) -> list[str]:
    return [debian(command[0], "redis-server"), *command[1:], "--bind", address, "--dir", str(folder)]


def _store(_: Path, command: Sequence[str], address: str, __: Mapping[str, str]) -> list[str]:
    return [sys.executable, "-m", "moto.server", "-H", address, "-p", command[-1].removeprefix(":")]


STAND_INS = {"postgres": _postgres, "ignite-pool": _pool, "redis": _redis, "minio/minio": _store}
"""By image, the command of the process that stands in for its container: of a folder for its files, the file's
command, an address and the service's environment."""


@contextlib.contextmanager
def running(stack: Stack) -> Iterator[Stack]:
    """The stack until the end of the block. Prints what was logged, which pytest shows of a test that fails."""
    try:
        yield stack
    finally:
        stack.print_logs()
        stack.down()
