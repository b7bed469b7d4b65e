"""Bringing separated workers into production with compose, and taking them back."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from ..config.project_file import ProjectFile
from ..core.put import put
from ..errors import ConfigurationError, StartStopError, Unreachable
from .compose import NAMES, Compose, Container, find_compose, read_compose
from .targets import Target, url

GRACE = 30
"""Seconds that containers get to end: a worker takes 25 to finish what it has begun."""

OVERRIDE = "rollback.yml"
"""Below the project's data folder: what has the APIs run inline."""

DOCUMENT = Path("docs/WORKERS_DEPLOYMENT_PLAN.md")
"""Where a project has its plan, written down."""

FIELDS = (
    "Window (from, to, time zone)", "Person on call, and how to reach them",
    "Who decides to go back", "Who is told before, and where", "Who is told after",
    "Release or commit that goes out", "Release or commit to go back to",
)  # fmt: skip
"""What the plan asks people for."""

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


@dataclass(frozen=True, slots=True)
class Tool:
    """The command that reads compose files; *waits*: its `up` knows `--wait`."""

    words: tuple[str, ...] = ("docker", "compose")
    waits: bool = True

    def type(self, *arguments: str) -> str:
        """As one types it."""
        return shlex.join((*self.words, *arguments))

    def up(self, *names: str) -> str:
        """Start *names*, or all, in the background."""
        return self.type("up", "-d", *(["--wait"] if self.waits else []), *names)


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
    file: ProjectFile, modes: Mapping[str, Sequence[str]], compose: Compose | None, host: str,
    *, inline: bool,
) -> list[Target]:  # fmt: skip
    """The project's processes on *host*, at the ports that compose publishes, else its own.

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
            found.append(Target(name, shown, url(host, port)))
    return [*found, Target("sidecar", "", url(host, file.sidecar.port))]


def find_tool() -> Tool:
    """`docker compose`, or the older `docker-compose` where that is all there is."""
    for words in (("docker", "compose"), ("docker-compose",)):
        try:
            told = subprocess.run(
                (*words, "version", "--short"), capture_output=True, text=True, timeout=20.0,
                check=True,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            continue
        return Tool(words, waits=not told.stdout.startswith("1."))
    return Tool()


def plan(compose: Compose, file: ProjectFile, tool: Tool) -> tuple[Section, ...]:
    """What to do, in order, with the names of this project's containers."""
    usual = [each for each in compose.of(*WORKERS) if not each.profiles]
    workers, apis = _names(usual), _names(compose.of("api", "inline"))
    migrated = {c.service: c.name for c in (*usual, *compose.of("api", "inline"))}
    before = (
        Step("Everything up to the load tests is settled.", "workerkit checklist --require day4"),
        Step("Every service can be put together.", "workerkit check"),
        Step("The compose file is understood.", tool.type("config", "--quiet")),
        Step("Window, person on call, and who has to know are written down.", ""),
    )
    steps = (
        Step("Remember what runs now: a rollback goes back to it.", tool.type("images")),
        Step("Build.", tool.type("build")),
        *((Step("Start what the services need.", tool.up(*compose.others)),)
          if compose.others else ()),
        *(Step(f"Bring the tables of {service} up to date.",
               tool.type("run", "--rm", "--no-deps", name, "workerkit", "db", "upgrade", service))
          for service, name in migrated.items()),
        Step("Start the workers while the APIs still have theirs: both share the events, and "
             "each is applied once.", tool.up("--no-deps", *workers)),
        Step("Leave the APIs with nothing but requests.", tool.up("--no-deps", *apis)),
        Step("Start what is left.", tool.up()),
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
              rollback(compose, Path(file.data) / OVERRIDE, tool)),
            Step("Then verify that the APIs do all of it.", "workerkit deploy verify --inline"),
        )),
        Section("Monitoring", (
            Step("No alert of deploy/monitoring/rules.yml fires.", ""),
            Step("Workers, lag and jobs, live.", "workerkit top"),
            Step("Nothing was given up on.", "workerkit dlq list"),
        )),
    )  # fmt: skip


def written(sections: Sequence[Section], name: str) -> str:
    """The plan as a document, with fields that only people can fill in."""
    lines = [f"# {name}: deployment of the workers", "", "## Fields", "", "| what | |", "|---|---|"]
    lines += [f"| {field} | |" for field in FIELDS]
    for section in sections:
        lines += ["", f"## {section.title}", ""]
        for number, step in enumerate(section.steps, 1):
            lines.append(f"{number}. {step.text}")
            if step.command:
                lines += ["", "   ```", f"   {step.command}", "   ```", ""]
    return "\n".join(lines).rstrip() + "\n"


def rollback(compose: Compose, override: Path, tool: Tool) -> tuple[Order, ...]:
    """Stop the workers, then have the APIs do their work; *override* says so to compose."""
    workers = _names(compose.of(*WORKERS))
    apis = _names(_taking_in(compose))
    orders = []
    if workers:
        words = (*tool.words, "stop", "-t", str(GRACE), *workers)
        orders.append(Order(words, "stop the workers; what they hold goes back to the broker"))
    if apis:
        # With a file named, compose no longer looks for any by itself.
        files = [*compose.files, override.as_posix()]
        named = [word for file in files for word in ("-f", file)]
        words = (*tool.words, *named, "up", "-d", "--no-deps", *apis)
        orders.append(Order(words, "the APIs take the events and jobs in (inline)"))
    return tuple(orders)


def write_override(compose: Compose, override: Path) -> None:
    """Write what has the APIs run inline; YAML, of which JSON is a part.

    Raises:
        Unreachable: It cannot be written.
    """
    services = {}
    for api in _taking_in(compose):
        services[api.name] = {"environment": {"WORKER_MODE": "inline"}}
        if any("--mode" in word for word in api.command):
            services[api.name]["command"] = _inline(api.command)  # type: ignore[assignment]
    put(override, orjson.dumps({"services": services}, option=orjson.OPT_INDENT_2))


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
