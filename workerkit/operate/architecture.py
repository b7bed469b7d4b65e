"""What a project is made of, drawn from its code: parts of a document that must not drift.

Between `<!-- generated: NAME -->` and `<!-- end -->` the document is ours, all else is its
authors'. Diagrams are Mermaid's (mermaid.js.org/syntax/flowchart.html).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..config.project_file import ProjectFile
from ..core.source import source_files
from ..cron.job import CronJob, check_job, job_name
from ..errors import ConfigurationError
from ..events.worker import EventWorker, worker_name
from .check_code import published_topic

DOCUMENT = "docs/ARCHITECTURE.md"

_REGION = re.compile(r"(<!-- generated: ([a-z-]+) -->\n)(.*?)(<!-- end -->)", re.S)


class Wired(Protocol):
    """What is looked at of a service."""

    @property
    def events(self) -> Sequence[EventWorker[Any]]:
        """Its event workers."""

    @property
    def cron(self) -> Sequence[CronJob]:
        """Its jobs."""

    @property
    def modes(self) -> Sequence[str]:
        """What it has workers for."""


@dataclass(frozen=True, slots=True)
class Publication:
    """*by*, the class around it or "API", publishes to *topic* somewhere in *service*'s code."""

    service: str
    by: str
    topic: str


@dataclass(frozen=True, slots=True)
class _Drawn:
    services: Mapping[str, Wired]
    file: ProjectFile
    publications: Sequence[Publication]


def generated(services: Mapping[str, Wired], file: ProjectFile, folder: Path) -> dict[str, str]:
    """The text of every part, by its name."""
    drawn = _Drawn(services, file, publications(file, folder))
    return {name: draw(drawn) for name, draw in _PARTS.items()}


def stale(text: str, services: Mapping[str, Wired], file: ProjectFile, folder: Path) -> list[str]:
    """Parts that *text* lacks, or has otherwise than they are now."""
    there = {name: body for _, name, body, _ in _REGION.findall(text)}
    return [n for n, body in generated(services, file, folder).items() if there.get(n) != body]


def renewed(text: str, services: Mapping[str, Wired], file: ProjectFile, folder: Path) -> str:
    """*text* with its parts as they are now; a part that it lacks comes at its end.

    Raises:
        ConfigurationError: It marks a part that there is none of.
    """
    parts = generated(services, file, folder)
    there = [name for _, name, _, _ in _REGION.findall(text)]
    for name in there:
        if name not in parts:
            known = ", ".join(parts)
            raise ConfigurationError(f"{DOCUMENT}: no generated part {name!r}; there are: {known}")
    text = _REGION.sub(lambda found: f"{found[1]}{parts[found[2]]}{found[4]}", text)
    missing = [name for name in parts if name not in there]
    heading = "" if text.strip() else f"# {file.name}: architecture\n"
    added = [
        f"\n## {_TITLES[name]}\n\n<!-- generated: {name} -->\n{parts[name]}<!-- end -->\n"
        for name in missing
    ]
    return heading + text.rstrip("\n") + "\n" * bool(text.strip()) + "".join(added)


def publications(file: ProjectFile, folder: Path) -> list[Publication]:
    """Every `….publish("topic", …)` in the code of the services, each once.

    A topic that is no literal cannot be known without running the code.
    """
    found: dict[Publication, None] = {}
    for name, entry in file.services.items():
        for path in source_files(folder, [entry.wire]):
            try:
                tree = ast.parse(path.read_bytes())
            except (OSError, SyntaxError, ValueError):
                continue
            for by, topic in _published(tree, "API"):
                found[Publication(name, by, topic)] = None
    return list(found)


def _published(node: ast.AST, by: str) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        around = child.name if isinstance(child, ast.ClassDef) else by
        if isinstance(child, ast.Call) and (topic := published_topic(child)) is not None:
            yield around, topic
        yield from _published(child, around)


def _event_flow(drawn: _Drawn) -> str:
    """Who publishes what, and who listens."""
    lines = ["```mermaid", "flowchart LR"]
    topics: dict[str, None] = {}
    arrows: dict[str, None] = {}
    for each in drawn.publications:
        topics[each.topic] = None
        arrows[f"{_part_id(drawn, each)} --> {_id(each.topic)}"] = None
    for name, service in drawn.services.items():
        for worker in service.events:
            topics[worker.topic] = None
            arrows[f"{_id(worker.topic)} --> {_id(name, worker_name(worker))}"] = None
    for name, service in drawn.services.items():
        lines.append(f'    subgraph {_id(name, "service")}["{name}"]')
        lines += [f'        {_id(name, part)}["{part}"]' for part in _parts(service)]
        lines.append("    end")
    lines += [f'    {_id(topic)}(["{topic}"])' for topic in topics]
    lines += [f"    {arrow}" for arrow in arrows]
    return "\n".join([*lines, "```", ""])


def _topics(drawn: _Drawn) -> str:
    """The same as a table."""
    names = {each.topic: None for each in drawn.publications}
    names |= {w.topic: None for service in drawn.services.values() for w in service.events}
    rows = []
    for topic in sorted(names):
        by = [f"{e.service} {_shown(drawn, e)}" for e in drawn.publications if e.topic == topic]
        to = [f"{n}/{worker_name(w)}" for n, s in drawn.services.items() for w in s.events
              if w.topic == topic]  # fmt: skip
        rows.append((f"`{topic}`", ", ".join(by) or "others", ", ".join(to) or "nobody here"))
    return _table(("topic", "published by", "handled by"), rows)


def _jobs(drawn: _Drawn) -> str:
    """When each job runs, and what becomes of one that is late or long."""
    rows = []
    for name, service in drawn.services.items():
        for job in service.cron:
            expression = check_job(job)
            limit = f"{job.timeout:g} s" if job.timeout else "none"
            rows.append(
                (f"{name}/{job_name(job)}", f"`{expression}`", expression.words(), job.timezone,
                 limit, job.overlap, job.misfire)
            )  # fmt: skip
    titles = ("job", "schedule", "in words", "zone", "timeout", "overlap", "misfire")
    return _table(titles, rows)


def _processes(drawn: _Drawn) -> str:
    """What runs, and on which port."""
    rows = []
    for name, service in drawn.services.items():
        entry = drawn.file.services[name]
        for mode in entry.modes or service.modes:
            does = {"api": ["API"], "cron": [job_name(job) for job in service.cron],
                    "events": [worker_name(w) for w in service.events]}[mode]  # fmt: skip
            port = str(getattr(entry.ports, mode) or "any")
            rows.append((f"{name} {mode}", port, ", ".join(does),
                         f"`workerkit run {name} --mode={mode}`"))  # fmt: skip
    return _table(("process", "port", "does", "alone"), rows)


_PARTS: dict[str, Callable[[_Drawn], str]] = {
    "processes": _processes, "event-flow": _event_flow, "topics": _topics, "jobs": _jobs,
}  # fmt: skip

_TITLES = {
    "processes": "Processes", "event-flow": "Event flow", "topics": "Topics", "jobs": "Jobs",
}  # fmt: skip


def _parts(service: Wired) -> list[str]:
    """The names of its workers and jobs, its API first."""
    api = ["API"] if "api" in service.modes else []
    return [*api, *map(worker_name, service.events), *map(job_name, service.cron)]


def _part_id(drawn: _Drawn, each: Publication) -> str:
    return _id(each.service, _shown(drawn, each))


def _shown(drawn: _Drawn, each: Publication) -> str:
    """The worker or job whose class publishes; anything else is done for the API."""
    service = drawn.services.get(each.service)
    for worker in service.events if service else ():
        if type(worker).__name__ == each.by:
            return worker_name(worker)
    for job in service.cron if service else ():
        if type(job).__name__ == each.by:
            return job_name(job)
    return "API"


def _id(*names: str) -> str:
    """A name that Mermaid takes as an id."""
    return re.sub(r"\W", "_", "__".join(names))


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (titles, *rows)]
    lines.insert(1, f"|{'---|' * len(titles)}")
    return "\n".join([*lines, ""])
