"""`workerkit deploy` on the shop as processes; a `docker` of our own starts and stops them."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.ports import free_port
from tests.started import Place
from tests.waiting import until
from workerkit.core.parts import answers

SHOP = Path(__file__).parents[2] / "examples" / "shop"

COMPOSE = """
services:
  pricing-service: { environment: { WORKER_MODE: api } }
  pricing-event-worker: { environment: { WORKER_MODE: events } }
  pricing-cron-worker: { environment: { WORKER_MODE: cron } }
  warehouse-service: { environment: { WORKER_MODE: api } }
  redis: { image: redis }
"""

RUNNING = ("pricing api", "pricing events", "pricing cron", "warehouse api")

DOCKER = """#!{python}
\"\"\"Records how it was called; `up` starts `workerkit run`, `stop` ends it.\"\"\"
import os, pathlib, subprocess, sys, time, yaml

words, here = sys.argv[2:], pathlib.Path("containers")
if words[0] == "version":
    sys.exit(print("2.40.0"))
here.mkdir(exist_ok=True)
with pathlib.Path("calls").open("a") as calls:
    calls.write(" ".join(["docker", *sys.argv[1:]]) + chr(10))
if pathlib.Path("broken").exists():
    sys.exit(17)
if words[0] != "-f":
    words = ["-f", "docker-compose.yml", *words]
services = {{}}
while words[0] == "-f":
    for name, entry in yaml.safe_load(pathlib.Path(words[1]).read_text())["services"].items():
        services.setdefault(name, {{}}).update(entry)
    words = words[2:]
names = [name for name in words if name in services and "environment" in services[name]]
for name in names:
    pid = here / name
    if pid.exists():
        number = int(pid.read_text())
        os.kill(number, 15)
        while pathlib.Path(f"/proc/{{number}}/cmdline").exists() and pathlib.Path(
            f"/proc/{{number}}/cmdline").read_bytes():
            time.sleep(0.02)
        pid.unlink()
for name in names if "up" in words else []:
    mode = services[name]["environment"]["WORKER_MODE"]
    started = subprocess.Popen(
        [sys.executable, "-m", "workerkit", "run", name.partition("-")[0], f"--mode={{mode}}"],
        stdout=open(f"{{name}}.log", "wb"), stderr=subprocess.STDOUT, start_new_session=True)
    (here / name).write_text(str(started.pid))
"""


class Deployed(Place):
    """The shop on free ports, with our docker first in the PATH."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        toml = re.sub(r"(?<== )\d{4,5}\b", lambda _: str(free_port()), self.read("workerkit.toml"))
        toml = re.sub(r"(?s)\[services.catalog\].*?(?=\[services)", "", toml)
        self.write("workerkit.toml", toml)
        (folder / "docker-compose.yml").unlink(missing_ok=True)
        self.write("docker-compose.yml", COMPOSE)
        self.ports = {}
        for service in ("pricing", "warehouse"):
            section = toml.partition(f"[services.{service}]")[2]
            ports = re.search(r"ports = \{(.*?)\}", section)[1]
            for mode, port in re.findall(r"(\w+) = (\d+)", ports):
                self.ports[f"{service} {mode}"] = int(port)
        self.write("bin/docker", DOCKER.format(python=sys.executable))
        (folder / "bin" / "docker").chmod(0o755)
        self.variables = {
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "WAREHOUSE_URL": f"http://127.0.0.1:{self.ports['warehouse api']}",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }

    def read(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def do(self, *arguments: str) -> tuple[int, str]:
        return self.call(*arguments, **self.variables)

    def up(self) -> None:
        """Start every container, as `docker compose up` would."""
        names = re.findall(r"^  (\w+-\S+):", COMPOSE, re.M)
        command = [str(self.folder / "bin" / "docker"), "compose", "-f", "docker-compose.yml"]
        environment = {**os.environ, **self.variables}
        done = psutil.Popen([*command, "up", *names], cwd=self.folder, env=environment)
        assert done.wait(60) == 0
        (self.folder / "calls").unlink()
        ports = [self.ports[name] for name in RUNNING]
        until(lambda: all(answers("127.0.0.1", port) for port in ports))

    def containers(self) -> list[str]:
        """Those that run."""
        return [pid.name for pid in (self.folder / "containers").glob("*")]

    def close(self) -> None:
        for pid in (self.folder / "containers").glob("*"):
            if psutil.pid_exists(int(pid.read_text())):
                psutil.Process(int(pid.read_text())).terminate()
        super().close()


@pytest.fixture
def place(tmp_path) -> Iterator[Deployed]:
    opened = Deployed(tmp_path / "shop")
    yield opened
    opened.close()


def test_a_deployment_is_watched_and_then_rolled_back(place):
    place.up()

    code, said = place.do("deploy", "verify", "--for", "1s", "--json")
    assert code == 0, said
    told = json.loads(said)
    assert told["result"] == "pass" and told["verified"]["watched"] >= 1
    seen = {check["name"]: check["seen"] for check in told["verified"]["checks"]}
    event = r"\d+ sent to warehouse api, seen at pricing api after .* s"
    assert re.fullmatch(event, seen["an event from end to end"])
    kept = json.loads(place.read(".workerkit/deploy/watch.json"))
    assert kept == told["verified"]
    assert f"pricing events http://127.0.0.1:{place.ports['pricing events']}" in kept["where"]

    code, said = place.do("deploy", "rollback", "--yes")
    assert code == 0, said
    override = place.folder / ".workerkit" / "rollback.yml"
    assert place.read("calls").splitlines() == [
        "docker compose stop -t 30 pricing-event-worker pricing-cron-worker",
        f"docker compose -f docker-compose.yml -f {override} up -d --no-deps pricing-service",
    ]
    assert "\n    docker compose stop -t 30 pricing-event-worker" in said
    assert "pricing inline: health" in said and "pass: " in said.splitlines()[-1]
    assert "pricing/price_sync" in said, "the API runs the jobs now"
    assert sorted(place.containers()) == ["pricing-service", "warehouse-service"]


def test_a_rollback_asks_and_stops_at_the_first_command_that_fails(place):
    code, said = place.do("deploy", "rollback")
    assert code == 2 and "needs --yes here" in said
    assert place.read("calls") == ""

    place.write("broken", "")
    code, said = place.do("deploy", "rollback", "--yes")
    assert code == 4 and "ended with 17: nothing after it was done" in said
    assert len(place.read("calls").splitlines()) == 1

    place.variables["PATH"] = str(place.folder)
    code, said = place.do("deploy", "rollback", "--yes")
    assert code == 3 and "no docker here" in said.splitlines()[-1]


def test_the_plan_names_the_containers_of_this_project(place):
    code, said = place.do("deploy", "plan")
    assert code == 0
    assert "workerkit db upgrade pricing" in said
    assert "up -d --wait --no-deps pricing-event-worker pricing-cron-worker" in said
    code, said = place.do("deploy", "plan", "--markdown")
    assert code == 2 and "WORKERS_DEPLOYMENT_PLAN.md is there already: edit it" in said
    (place.folder / "docker-compose.yml").unlink()
    code, said = place.do("deploy", "plan")
    assert code == 2 and "no compose file in" in said
