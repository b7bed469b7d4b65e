"""`workerkit chaos --target compose`: the same scenarios, on processes that are containers."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest

from tests.e2e.test_chaos import APP
from tests.fake_docker import FakeDocker
from tests.started import Place
from workerkit.chaos.containers import NAMES, ContainerRig, Image, engine
from workerkit.chaos.left import OWNER, PREFIX, clean_up
from workerkit.chaos.rig import Program
from workerkit.config.project_file import ProjectFile, ServiceEntry
from workerkit.core.owner import this_process
from workerkit.errors import ConfigurationError, StartStopError
from workerkit.trial.images import images_of

COMPOSE = """
services:
  app-event-worker:
    image: acme/app-worker
    cpus: 1
    mem_limit: 512m
    environment: { WORKER_MODE: events }
  app-cron-worker:
    image: acme/app-worker
    environment: { WORKER_MODE: cron }
"""


@pytest.fixture
def docker(tmp_path) -> FakeDocker:
    return FakeDocker(tmp_path / "bin")


@pytest.fixture
def place(tmp_path) -> Iterator[Place]:
    folder = tmp_path / "app"
    folder.mkdir()
    opened = Place(folder)
    opened.write("app.py", APP)
    opened.write("docker-compose.yml", COMPOSE)
    yield opened
    opened.close()


def test_a_killed_container_loses_nothing(place, docker):
    arguments = ("chaos", "kill-worker", "--target", "compose", "--quick", "--json")
    code, said = place.call(*arguments, PATH=docker.path)
    (played,) = json.loads(said)
    assert (code, played["verdict"]["result"]) == (0, "pass"), said
    kills = docker.calls("kill")
    assert len(kills) == 3
    started = [words for words in docker.calls("run") if f"--name={kills[0][0]}" in words]
    assert len(started) == 4
    assert {"--cpus=1", "--memory=512m", "acme/app-worker", "--init"} <= set(started[0])
    assert "--env=WORKERKIT_PROBE" in started[0]
    assert not [word for words in started for word in words if "PROBE=" in word]


def test_a_frozen_container_is_paused_and_goes_on(tmp_path, docker, monkeypatch):
    monkeypatch.setenv("PATH", docker.path)
    program = Program("app events 1", "events", 0, ["python", "-m", "workerkit", "run"])
    images = {"events": Image("acme/app-worker")}
    rig = ContainerRig(
        [program], tmp_path, {}, tmp_path / "log", images=images, data=tmp_path, variables=[]
    )
    with rig:
        rig.freeze("app events 1")
        rig.thaw("app events 1")
        rig.freeze("app events 1")
    name = f"{tmp_path.name}-app-events-1"
    assert docker.calls("pause") == docker.calls("unpause") == [[name], [name]]
    assert (tmp_path / NAMES).read_text() == name


def test_an_engine_that_says_no_is_one_line(docker, monkeypatch):
    (docker.folder / "docker").write_text("#!/bin/sh\necho no such container >&2\nexit 1\n")
    monkeypatch.setenv("PATH", docker.path)
    with pytest.raises(StartStopError, match="docker pause one: no such container"):
        engine("pause", "one")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("", "no compose file in "),
        (COMPOSE.replace("    image: acme/app-worker\n    cpus", "    cpus"),
         "app-event-worker needs an `image`"),
        (COMPOSE.partition("  app-cron")[0], "has no container of app cron"),
    ],
)  # fmt: skip
def test_a_compose_file_that_says_too_little_is_refused(tmp_path, file, said):
    if file:
        (tmp_path / "docker-compose.yml").write_text(file)
    project = ProjectFile(services={"app": ServiceEntry(wire="app:wire")})
    with pytest.raises(ConfigurationError, match=said):
        images_of(tmp_path, project, "app", ["events", "cron"])


def test_without_docker_it_says_so(place, tmp_path):
    found = place.call("chaos", "kill-worker", "--target", "compose", PATH=str(tmp_path))
    assert found == (3, "workerkit: no docker here: run this where the containers run\n")


def test_paused_containers_of_a_killed_run_are_removed(tmp_path, docker, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PATH", docker.path)
    left = tmp_path / f"{PREFIX}1"
    left.mkdir()
    (left / NAMES).write_text("one\ntwo")
    who = f"from {this_process.__module__} import this_process; print(this_process(), end='')"
    gone = subprocess.run(
        [sys.executable, "-c", who], capture_output=True, text=True, timeout=30, check=True
    )
    (left / OWNER).write_text(gone.stdout)

    (docker.folder / "docker").rename(docker.folder / "away")
    monkeypatch.setenv("PATH", str(docker.folder))
    assert clean_up() == []
    assert left.exists()
    (docker.folder / "away").rename(docker.folder / "docker")
    assert clean_up() == [left]
    assert docker.calls("rm") == [["--force", "one", "two"]]
