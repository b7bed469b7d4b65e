"""`workerkit new`: a project in a folder of its own, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..config.answers import ANSWERS, Answers, CronAnswers, EventAnswers, ServiceAnswers
from ..config.project_file import FILE
from ..errors import ConfigurationError, Unreachable
from .names import check_project, check_schedule, check_service, check_topic, module_of
from .plan import Change, Plan
from .project_files import answers_text, with_smoke
from .templates import newest_version, render

FIRST_PORT, APART = 8001, 10
"""The port of the first service's API, and how far on the next service's is."""

JOB = "summary"
"""What the first job is called."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a new project shall have; *topic* and *cron* are for its first service."""

    name: str
    services: Sequence[str]
    topic: str | None = None
    cron: str | None = None


def answers_to(wish: Wish) -> Answers:
    """*wish* as a project's answers.

    Raises:
        ConfigurationError: A name, the topic or the schedule is wrong; one line says which.
    """
    names = [check_service(name) for name in wish.services]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"service {twice!r} is there twice")
    topic, cron = wish.topic, wish.cron
    events = [EventAnswers(topic=check_topic(topic), module=module_of(topic))] if topic else []
    jobs = [CronAnswers(name=JOB, schedule=check_schedule(cron))] if cron else []
    services = [
        ServiceAnswers(
            name=name,
            port=FIRST_PORT + APART * number,
            events=tuple(events) if number == 0 else (),
            cron=tuple(jobs) if number == 0 else (),
        )
        for number, name in enumerate(names)
    ]
    return Answers(
        templates=newest_version(), name=check_project(wish.name), services=tuple(services)
    )


def plan_new(wish: Wish, parent: Path) -> Plan:
    """The files of a new project in *parent*.

    Raises:
        ConfigurationError: As `answers_to`, or something of that name is there.
    """
    answers = answers_to(wish)
    folder = parent / answers.name
    if folder.is_symlink() or (folder.exists() and not _is_empty(folder)):
        raise ConfigurationError(f"{folder.name} is there already; nothing was written")
    files = {**render(answers), ANSWERS: answers_text(answers)}
    for service in answers.services:
        for each in service.events:
            files[FILE] = with_smoke(files[FILE], service.name, each.topic)
    return Plan(folder, tuple(Change(path, None, files[path]) for path in sorted(files)))


def make(plan: Plan) -> None:
    """Write a new project beside its place, and move it there when it is whole.

    Raises:
        Unreachable: The folder cannot be written; nothing is left of it.
    """
    parent = plan.folder.parent
    made: Path | None = None
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{plan.folder.name}-", dir=parent))
        made.chmod(0o777 & ~_mask())
        Plan(made, plan.changes).carry_out()
        os.rename(made, plan.folder)
    except OSError as error:
        raise Unreachable(
            f"cannot write {plan.folder.name} in {parent}: {error.strerror}"
        ) from None
    finally:
        if made is not None and made.exists():
            shutil.rmtree(made, ignore_errors=True)


def _is_empty(folder: Path) -> bool:
    with suppress(OSError):
        return folder.is_dir() and not any(folder.iterdir())
    return False


def _mask() -> int:
    """The umask: what `mkdtemp` makes is for its owner alone."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
