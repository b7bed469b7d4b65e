"""What there is to know of a project, looked at once and only when it is asked for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ..chaos.catalogue import SCENARIOS, Scenario
from ..chaos.kept import Kept, Verdicts
from ..config.settings import redis_url
from ..core.user_code import where_it_failed
from ..errors import ConfigurationError, StorageError, WorkerkitError
from ..loadtest.run import Run, Runs, read
from ..operate.compose import Compose, find_compose, read_compose, read_yaml
from ..operate.deploy import Tool, find_tool
from ..operate.smoke import Verified
from ..operate.status import ProcessStatus, look
from ..operate.ticks import Tick, read_ticks
from ..operate.verified import Occasion, last
from ..project import Project, Service

DOCKER_TIMEOUT = 10.0
"""Seconds that docker has to answer."""

MONITORING = Path("deploy/monitoring")
"""Where a project has the rules and settings of its monitoring."""


class Evidence:
    """Of one opened project; a probe that needs none of the slow things costs nothing."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.folder = project.folder
        self._yaml: dict[Path, Any] = {}

    @cached_property
    def services(self) -> dict[str, Service]:
        """Those that can be put together."""
        return {name: one for name, one in self._wired.items() if isinstance(one, Service)}

    @cached_property
    def broken(self) -> dict[str, str]:
        """Those that cannot, with what is wrong."""
        return {name: wrong for name, wrong in self._wired.items() if isinstance(wrong, str)}

    @cached_property
    def _wired(self) -> dict[str, Service | str]:
        """The project's code runs once for each, also where it fails."""
        return {name: self._wire(name) for name in self.project.file.services}

    def _wire(self, name: str) -> Service | str:
        try:
            return self.project.service(name)
        except WorkerkitError as error:
            return str(error)
        except Exception as error:  # user code: any of it may be wrong
            return where_it_failed(error, self.folder)

    def modes(self, name: str) -> Sequence[str]:
        """Those of service *name*; none when it cannot be put together."""
        return self.project.modes(name) if name in self.services else ()

    @cached_property
    def main(self) -> list[str]:
        """The service with the events: the first that handles any, else the first with workers."""
        names = list(self.project.file.services)
        busy = [n for n in names if "events" in self.modes(n) or n in self.broken]
        return (busy or self._working(names) or names)[:1]

    @cached_property
    def others(self) -> list[str]:
        """Further services with workers."""
        return [n for n in self._working(list(self.project.file.services)) if n not in self.main]

    @cached_property
    def apart(self) -> list[str]:
        """All services with workers."""
        return [*self.main, *self.others]

    @cached_property
    def alone(self) -> list[str]:
        """Services that have nothing beside their API."""
        return [n for n in self.services if n not in self.apart]

    def _working(self, names: Sequence[str]) -> list[str]:
        return [n for n in names if set(self.modes(n)) & {"events", "cron"} or n in self.broken]

    @cached_property
    def code(self) -> str:
        """The project's digest now."""
        return self.project.code()

    @cached_property
    def verdicts(self) -> dict[tuple[str, str], Kept]:
        """The last verdict of each chaos scenario on each service."""
        return Verdicts(self.project.data).all()

    @cached_property
    def scenarios(self) -> list[Scenario]:
        """Those that can be played on this project, on this machine."""
        modes = {mode for name in self.apart for mode in self.modes(name)}
        files = [self.project.database_url(n).startswith("sqlite") for n in self.main]
        servers = {
            "": True,
            "broker": bool(redis_url(self.project.file, self.project.environment)),
            "database": not all(files),
            "file": all(files) and sys.platform == "linux",
        }
        return [one for one in SCENARIOS if one.mode in modes and servers[one.server]]

    @cached_property
    def runs(self) -> list[Run]:
        """Kept load-test runs that can be read, the oldest first."""
        found = []
        for path in sorted(Runs(self.project.data).folder.glob("*.json")):
            try:
                found.append(read(path))
            except ConfigurationError:
                continue
        return sorted(found, key=lambda run: run.at)

    def last_run(self, kind: str, subject: str) -> Run | None:
        """The last run of *kind* on that service or topic."""
        fitting = [run for run in self.runs if (run.kind, run.subject) == (kind, subject)]
        return fitting[-1] if fitting else None

    def verified(self, occasion: Occasion) -> Verified | None:
        """How a deployment was last found."""
        return last(self.project.data, occasion)

    @cached_property
    def processes(self) -> tuple[ProcessStatus, ...]:
        """Ours that answer on their ports on this machine."""
        try:
            members = self.project.state.members()
        except StorageError:
            members = []
        found = look(self.project.file, self.project.environment.worker_host, members)
        return tuple(each for each in found.processes if not each.foreign)

    @cached_property
    def ticks(self) -> Mapping[str, Tick]:
        """What people have said."""
        return read_ticks(self.folder)

    def text(self, path: Path | str) -> str:
        """A file of the project; empty when it is missing or no text."""
        try:
            return (self.folder / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def yaml(self, path: Path) -> Any:
        """A YAML file of the project, read once; raises ConfigurationError as `read_yaml` does."""
        if path not in self._yaml:
            self._yaml[path] = read_yaml(self.folder / path)
        return self._yaml[path]

    @cached_property
    def compose(self) -> Compose:
        """The compose file.

        Raises:
            ConfigurationError: There is none, or it cannot be read.
        """
        path = find_compose(self.folder)
        if path is None:
            raise ConfigurationError("there is no docker-compose.yml")
        return read_compose(path, list(self.project.file.services))

    @cached_property
    def alerts(self) -> dict[str, dict[str, Any]]:
        """The alerts of the project's Prometheus rules, by name.

        Raises:
            ConfigurationError: There are no rules, or they cannot be read.
        """
        content = self.yaml(MONITORING / "rules.yml")
        groups = content.get("groups") if isinstance(content, dict) else None
        rules = [rule for group in groups or () for rule in group.get("rules") or ()]
        return {rule["alert"]: rule for rule in rules if "alert" in rule}

    @cached_property
    def no_docker(self) -> str:
        """Why docker compose cannot be asked here; empty when it can."""
        if shutil.which("docker") is None:
            return "docker is not installed on this machine"
        if self.output("docker", "info") is None:
            return "no Docker daemon answers on this machine"
        if self.output(*self.tool.words, "version") is None:
            return "docker has no compose on this machine"
        return ""

    @cached_property
    def tool(self) -> Tool:
        """What reads compose files here."""
        return find_tool()

    def output(self, *words: str) -> str | None:
        """What a command prints; None when it fails, or takes too long."""
        try:
            done = subprocess.run(
                words, cwd=self.folder, capture_output=True, text=True,
                timeout=DOCKER_TIMEOUT, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None
