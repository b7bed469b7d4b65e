"""Bringing separated workers into production with compose, and taking them back."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from ..config.project_file import ProjectFile
from ..errors import ConfigurationError, StartStopError, Unreachable
from .compose import NAMES, Compose, Container, find_compose, read_compose
from .targets import Target

GRACE = 30
"""Seconds that containers get to end: a worker takes 25 to finish what it has begun."""

OVERRIDE = "rollback.yml"
"""Below the project's data folder: what has the APIs run inline."""

WORKERS = ("events", "cron", "all")


@dataclass(frozen=True, slots=True)
class Step:
    """One step for people; `command` is empty where there is nothing to type."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Steps that belong together."""

    title: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One call of docker, and what it is for."""

    words: tuple[str, ...]
    purpose: str

    @property
    def shown(self) -> str:
        """As one types it."""
        return shlex.join(self.words)


def compose_of(folder: Path, file: ProjectFile) -> Compose:
    """The compose file of the project in *folder*.

    Raises:
        ConfigurationError: There is none, it cannot be read, or none of its containers is ours.
    """
    path = find_compose(folder)
    if path is None:
        raise ConfigurationError(f"no compose file in {folder}: needs one of {', '.join(NAMES)}")
    found = read_compose(path, list(file.services))
    if not found.containers:
        raise ConfigurationError(
            f"{path.name}: runs no service of {file.name}: a container's name must begin with "
            "the service's, and WORKER_MODE or --mode say what it does"
        )
    return found


def targets(
    file: ProjectFile, modes: Mapping[str, Sequence[str]], compose: Compose | None, *, inline: bool
) -> list[Target]:
    """The project's processes on this machine, at the ports that compose publishes, else its own.

    *modes* are those of each service; *inline*: an API has taken its workers in.
    """
    containers = compose.containers if compose else ()
    published = {(c.service, c.mode): c.port for c in containers if c.port}
    found = []
    for name, entry in file.services.items():
        there = list(modes[name])
        taken_in = inline and "api" in there and len(there) > 1
        for mode in ["api"] if taken_in else there:
            port = published.get((name, mode)) or getattr(entry.ports, mode)
            shown = "inline" if taken_in else mode
            found.append(Target(name, shown, f"http://127.0.0.1:{port}"))
    return [*found, Target("sidecar", "", f"http://127.0.0.1:{file.sidecar.port}")]


def plan(compose: Compose, file: ProjectFile) -> tuple[Section, ...]:
    """What to do, in order, with the names of this project's containers."""
    usual = [each for each in compose.of(*WORKERS) if not each.profiles]
    workers, apis = _names(usual), _names(compose.of("api", "inline"))
    migrated = {c.service: c.name for c in (*usual, *compose.of("api", "inline"))}
    before = (
        Step("Everything up to the load tests is settled.", "workerkit checklist --require day4"),
        Step("Every service can be put together.", "workerkit check"),
        Step("The compose file is understood.", "docker compose config --quiet"),
        Step("Window, person on call, and who has to know are written down.", ""),
    )
    steps = (
        Step("Remember what runs now: a rollback goes back to it.", "docker compose images"),
        Step("Build.", "docker compose build"),
        *((Step("Start what the services need.", _up(compose.others)),) if compose.others else ()),
        *(Step(f"Bring the tables of {service} up to date.",
               f"docker compose run --rm --no-deps {name} workerkit db upgrade {service}")
          for service, name in migrated.items()),
        Step("Start the workers while the APIs still have theirs: both share the events, and "
             "each is applied once.", _up(workers, alone=True)),
        Step("Leave the APIs with nothing but requests.", _up(apis, alone=True)),
        Step("Start what is left.", "docker compose up -d --wait"),
    )  # fmt: skip
    return (
        Section("Before", before),
        Section("Steps", steps),
        Section("Verification", (
            Step("Health, metrics, jobs, latency, and one event from end to end.",
                 "workerkit deploy verify"),
            Step("Stay for an hour.", "workerkit deploy verify --for 1h"),
        )),
        Section("Rollback", (
            Step("All of the below, each asked for.", "workerkit deploy rollback"),
            *(Step(f"By hand: {order.purpose}.", order.shown) for order in
              rollback(compose, Path(file.data) / OVERRIDE)),
            Step("Then verify that the APIs do all of it.", "workerkit deploy verify --inline"),
        )),
        Section("Monitoring", (
            Step("No alert of deploy/monitoring/rules.yml fires.", ""),
            Step("Workers, lag and jobs, live.", "workerkit top"),
            Step("Nothing was given up on.", "workerkit dlq list"),
        )),
    )  # fmt: skip


def rollback(compose: Compose, override: Path) -> tuple[Order, ...]:
    """Stop the workers, then have the APIs do their work; *override* says so to compose."""
    workers = _names(compose.of(*WORKERS))
    apis = _names(_taking_in(compose))
    file = ("docker", "compose", "-f", compose.file.name)
    orders = []
    if workers:
        words = (*file, "stop", "-t", str(GRACE), *workers)
        orders.append(Order(words, "stop the workers; what they hold goes back to the broker"))
    if apis:
        up = ("-f", override.as_posix(), "up", "-d", "--no-deps", "--wait", *apis)
        orders.append(Order((*file, *up), "the APIs take the events and jobs in (inline)"))
    return tuple(orders)


def write_override(compose: Compose, override: Path) -> None:
    """Write what has the APIs run inline; YAML, of which JSON is a part.

    Raises:
        StartStopError: It cannot be written.
    """
    services = {}
    for api in _taking_in(compose):
        services[api.name] = {"environment": {"WORKER_MODE": "inline"}}
        if any("--mode" in word for word in api.command):
            services[api.name]["command"] = _inline(api.command)  # type: ignore[assignment]
    try:
        override.parent.mkdir(parents=True, exist_ok=True)
        override.write_bytes(orjson.dumps({"services": services}, option=orjson.OPT_INDENT_2))
    except OSError as error:
        raise StartStopError(f"cannot write {override}: {error.strerror}") from None


def carry_out(order: Order, folder: Path) -> None:
    """Run it in *folder*, with our own output.

    Raises:
        Unreachable: There is no docker.
        StartStopError: It failed; says with what.
    """
    try:
        code = subprocess.call(order.words, cwd=folder, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise Unreachable("no docker here: run this where the containers run") from None
    if code:
        raise StartStopError(f"{order.shown} ended with {code}: nothing after it was done")


def _taking_in(compose: Compose) -> list[Container]:
    """APIs of services that have workers: the others have nothing to take in."""
    busy = {each.service for each in compose.of(*WORKERS)}
    return [each for each in compose.of("api", "inline") if each.service in busy]


def _inline(command: Sequence[str]) -> list[str]:
    words = ["--mode=inline" if w.startswith("--mode=") else w for w in command]
    return ["inline" if before == "--mode" else w
            for before, w in zip(["", *words], words, strict=False)]  # fmt: skip


def _names(containers: Sequence[Container]) -> tuple[str, ...]:
    return tuple(each.name for each in containers)


def _up(names: Sequence[str], *, alone: bool = False) -> str:
    return f"docker compose up -d {'--no-deps ' * alone}--wait {' '.join(names)}"
