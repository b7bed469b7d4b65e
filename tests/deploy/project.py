"""What a project's own files say, for comparing others with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from workerkit.config.project_file import ProjectFile, read_project
from workerkit.config.settings import Environment
from workerkit.core.labels import label_of

PARTS = {"api": "service", "events": "event-worker", "cron": "cron-worker"}
"""What a process is called after its service, by mode."""

LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
"""A name that DNS and Kubernetes take for anything."""

DRAIN = Environment.model_fields["worker_drain_timeout"].default


@dataclass(frozen=True)
class Process:
    """One process of a *project*, whose name is as images have it, as containers know it."""

    project: str
    service: str
    mode: str
    port: int

    @property
    def name(self) -> str:
        return f"{self.label}-{PARTS[self.mode]}"

    @property
    def image(self) -> str:
        return f"{self.project}/{self.label}-{'api' if self.mode == 'api' else 'worker'}"

    @property
    def label(self) -> str:
        """What the service is called where no _ is allowed."""
        return label_of(self.service)

    @property
    def main(self) -> str:
        """Its MAIN_PKG."""
        return f"{self.service}.{'api' if self.mode == 'api' else 'worker'}"


class Expected:
    """The processes, variables and topics of the project in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file: ProjectFile = read_project(folder)
        found = [
            Process(label_of(self.file.name, room=11), name, mode, getattr(entry.ports, mode))
            for name, entry in self.file.services.items()
            for mode in entry.modes or ()
        ]
        self.processes = {process.name: process for process in found}

    def variables(self, service: str) -> set[str]:
        """What a process of *service* reads from its environment."""
        ours = {name.upper() for name in Environment.model_fields}
        code = "".join(path.read_text() for path in (self.folder / service).rglob("*.py"))
        return ours | set(re.findall(r'os\.environ(?:\.get\(|\[)"(\w+)"', code))

    def topics(self, service: str) -> set[str]:
        """What the event workers of *service* listen to."""
        files = (self.folder / service / "worker" / "event").glob("*.py")
        code = "".join(path.read_text() for path in files)
        return set(re.findall(r'topic = "(.+)"', code))
