"""The templates that are shipped, version by version, and the files that come out of them.

`templates/N` is version N: a copier template for a project, a service, an event
worker and a cron job. A released version is never changed, so what a project
was rendered from years ago can be rendered again, without a network or git.
They are rendered here and not by copier, which starts git for every file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..config.answers import Answers, ServiceAnswers
from ..core.labels import label_of
from ..cron.job import CronJob, job_name
from ..errors import ConfigurationError, StartStopError
from .names import class_of

MODES = ("api", "events", "cron")
SUFFIX = ".jinja"


def templates_folder() -> Path:
    """Where the templates lie: in the installed package, or beside it in a checkout.

    Raises:
        StartStopError: They are in neither place.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "templates", package.parent / "templates"):
        if folder.is_dir():
            return folder
    raise StartStopError(f"the templates are missing from {package}: install workerkit again")


def newest_version() -> int:
    """The version that new projects are made from."""
    folder = templates_folder()
    return max(int(each.name) for each in folder.iterdir() if each.name.isdecimal())


def render(answers: Answers) -> dict[str, str]:
    """The text of every file of the project, by its path from the project's folder.

    Raises:
        ConfigurationError: The templates of that version are not there, or two parts of
            the project would have one file.
    """
    folder = templates_folder() / str(answers.templates)
    if not folder.is_dir():
        raise ConfigurationError(
            f"the project is from templates {answers.templates}, this workerkit has up to "
            f"{newest_version()}: upgrade workerkit"
        )
    files: dict[str, str] = {}
    for template, data in _parts(answers):
        for path, text in _rendered(folder / template, data):
            if files.setdefault(path, text) != text:
                raise ConfigurationError(f"two parts would have the file {path}: rename one")
    return files


def modes_of(service: ServiceAnswers) -> list[str]:
    """The modes that *service* has."""
    there = {"api": True, "events": bool(service.events), "cron": bool(service.cron)}
    return [mode for mode in MODES if there[mode]]


@dataclass(frozen=True, slots=True)
class WorkerClass:
    """A class that `wire.py` imports and builds; *kind* is the folder below `worker/`."""

    kind: Literal["event", "cron"]
    module: str
    cls: str

    @property
    def keyword(self) -> str:
        """The argument of `Service` that takes it."""
        return "events" if self.kind == "event" else "cron"


def workers_of(service: ServiceAnswers) -> list[WorkerClass]:
    """The workers of *service*, in the order in which they were added."""
    return [
        *(WorkerClass("event", e.module, f"{class_of(e.module)}Worker") for e in service.events),
        *(WorkerClass("cron", job.name, f"{class_of(job.name)}Job") for job in service.cron),
    ]


def _parts(answers: Answers) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every template to render, with what it asks for."""
    label = label_of(answers.name, room=len("-production"))
    yield "project", _of_project(answers, label)
    for service in answers.services:
        name = service.name
        yield "service", _of_service(service, label)
        for each in service.events:
            data = {"topic": each.topic, "module": each.module}
            yield "event-worker", {"service": name, "payload": class_of(each.module), **data}
        for job in service.cron:
            cls = f"{class_of(job.name)}Job"
            spelled = job_name(type(cls, (CronJob,), {})()) != job.name
            data = {"job": job.name, "cls": cls, "schedule": job.schedule}
            yield "cron-job", {"service": name, "spelled": spelled, **data}


def _of_project(answers: Answers, label: str) -> dict[str, Any]:
    services = [
        {
            "name": service.name,
            "label": label_of(service.name),
            "port": service.port,
            "modes": modes_of(service),
            "topics": [each.topic for each in service.events],
            "cron": [job.name for job in service.cron],
        }
        for service in answers.services
    ]
    return {
        "name": answers.name,
        "label": label,
        "services": services,
        "workers": any(workers_of(service) for service in answers.services),
        "events": any(service.events for service in answers.services),
    }


def _of_service(service: ServiceAnswers, project: str) -> dict[str, Any]:
    workers = workers_of(service)
    imports = sorted(workers, key=lambda worker: (worker.kind, worker.module))
    return {
        "service": service.name,
        "label": label_of(service.name),
        "project": project,
        "port": service.port,
        "modes": modes_of(service),
        "workers": [asdict(worker) for worker in imports],
        "events": [worker.cls for worker in workers if worker.kind == "event"],
        "cron": [worker.cls for worker in workers if worker.kind == "cron"],
    }


def _rendered(template: Path, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Paths and texts of a template's files, as copier renders them.

    A path is a template, too; one with an empty part is left out. A file
    without the suffix is taken as it is.
    """
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415

    # What comes out is Python, TOML and Markdown: escaped, it would be wrong.
    jinja = Environment(keep_trailing_newline=True, undefined=StrictUndefined, autoescape=False)
    files = template / "files"
    for source in sorted(path for path in files.rglob("*") if path.is_file()):
        path = source.relative_to(files).as_posix().removesuffix(SUFFIX)
        parts = [jinja.from_string(part).render(data) for part in path.split("/")]
        if all(parts):
            text = source.read_text(encoding="utf-8")
            plain = source.suffix != SUFFIX
            yield "/".join(parts), text if plain else jinja.from_string(text).render(data)
