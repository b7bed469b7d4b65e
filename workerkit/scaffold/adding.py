"""`workerkit add`: one more service, event worker or job in a project that `new` has made."""

from __future__ import annotations

from pathlib import Path

from ..config.answers import ANSWERS, Answers, CronAnswers, EventAnswers, ServiceAnswers
from ..config.project_file import FILE
from ..core.loading import unknown
from ..errors import ConfigurationError
from .kept import open_answers
from .making import APART, FIRST_PORT
from .merge import merge
from .names import check_job, check_schedule, check_service, check_topic, module_of
from .plan import Change, Plan, read
from .project_files import answers_text, ports_in, with_mode, with_service, with_smoke
from .templates import render, workers_of
from .wiring import with_worker


def plan_service(start: Path, name: str) -> Plan:
    """One more service, with an API and no workers yet.

    Raises:
        ConfigurationError: The name is wrong or taken, or there is no project at *start*.
    """
    folder, before = open_answers(start)
    check_service(name)
    if any(service.name == name for service in before.services):
        raise ConfigurationError(f"service {name!r} is there already")
    text = _needed(folder, FILE)
    taken = ports_in(text) | {service.port for service in before.services}
    port = FIRST_PORT
    while taken & {port, port + 1, port + 2}:
        port += APART
    service = ServiceAnswers(name=name, port=port)
    after = before.model_copy(update={"services": (*before.services, service)})
    return _plan(folder, before, after, {FILE: with_service(text, service)})


def plan_event_worker(start: Path, topic: str, service: str | None) -> Plan:
    """A worker on *topic* in *service*; raises as `plan_service`."""
    folder, before = open_answers(start)
    chosen = _choose(before, service, start, folder)
    if any(worker.topic == check_topic(topic) for worker in chosen.events):
        raise ConfigurationError(f"{chosen.name} has a worker on {topic!r} already")
    worker = EventAnswers(topic=topic, module=module_of(topic))
    if any(each.module == worker.module for each in chosen.events):
        raise ConfigurationError(
            f"{chosen.name} has a module {worker.module!r} already, for another topic"
        )
    grown = chosen.model_copy(update={"events": (*chosen.events, worker)})
    return _plan_worker(folder, before, chosen, grown)


def plan_cron_job(start: Path, name: str, schedule: str, service: str | None) -> Plan:
    """A job *name* in *service*, run by *schedule*; raises as `plan_service`."""
    folder, before = open_answers(start)
    chosen = _choose(before, service, start, folder)
    if any(job.name == check_job(name) for job in chosen.cron):
        raise ConfigurationError(f"{chosen.name} has a job {name!r} already")
    job = CronAnswers(name=name, schedule=check_schedule(schedule))
    return _plan_worker(
        folder, before, chosen, chosen.model_copy(update={"cron": (*chosen.cron, job)})
    )


def _plan_worker(
    folder: Path, before: Answers, chosen: ServiceAnswers, grown: ServiceAnswers
) -> Plan:
    known = workers_of(chosen)
    (worker,) = (each for each in workers_of(grown) if each not in known)
    wire = f"{chosen.name}/wire.py"
    file = with_mode(_needed(folder, FILE), chosen.name, worker.keyword)
    if worker.kind == "event":
        file = with_smoke(file, chosen.name, grown.events[-1].topic)
    edited = {wire: with_worker(_needed(folder, wire), worker, wire), FILE: file}
    services = tuple(grown if each.name == grown.name else each for each in before.services)
    return _plan(folder, before, before.model_copy(update={"services": services}), edited)


def _plan(folder: Path, before: Answers, after: Answers, edited: dict[str, str]) -> Plan:
    """New files from the templates of the project's own version, and the *edited* ones.

    What else the templates have otherwise now is merged into the project's
    files; where those were changed at the same place, a note says so.

    Raises:
        ConfigurationError: A new file is there already, with something else in it.
    """
    known, wanted = render(before), render(after)
    ours = {**edited, ANSWERS: answers_text(after)}
    notes = []
    for path in sorted(wanted.keys() - ours.keys()):
        text = read(folder, path)
        if path not in known:
            if text not in (None, wanted[path]):
                raise ConfigurationError(f"{path} is there already; nothing was written")
            ours[path] = wanted[path]
        elif text is not None and known[path] != wanted[path]:
            merged = merge(known[path], text, wanted[path], "")
            if merged.conflicts:
                notes.append(f"{path} was changed where the new part belongs: put it in by hand")
            else:
                ours[path] = merged.text
    changes = (Change(path, read(folder, path), text) for path, text in sorted(ours.items()))
    return Plan(folder, tuple(c for c in changes if c.before != c.after), tuple(notes))


def _choose(answers: Answers, name: str | None, start: Path, folder: Path) -> ServiceAnswers:
    """The service *name*, else the one in whose folder *start* is, else the only one."""
    names = [service.name for service in answers.services]
    around = start.resolve().relative_to(folder.resolve()).parts[:1]
    if name is None and around and around[0] in names:
        name = around[0]
    if name is None and len(names) != 1:
        raise ConfigurationError(f"name a service with --service: {', '.join(names) or 'none yet'}")
    if name is not None and name not in names:
        raise ConfigurationError(unknown("service", name, names))
    return next(service for service in answers.services if name in (None, service.name))


def _needed(folder: Path, path: str) -> str:
    text = read(folder, path)
    if text is None:
        raise ConfigurationError(f"{path} is not there, so nothing can be put into it")
    return text
