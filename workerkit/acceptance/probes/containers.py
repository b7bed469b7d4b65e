"""Probes of the container files, and of docker where there is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import ConfigurationError
from ...operate.checklist import Seen
from ...operate.compose import Container
from ...operate.deploy import WORKERS
from ..evidence import Evidence
from .guarded import open_on

_STATE = (
    '{{index .Config.Labels "com.docker.compose.service"}} '
    "{{.State.Status}} {{with .State.Health}}{{.Status}}{{end}}"
)

COMPOSE, IMAGE = "edit docker-compose.yml", "edit Dockerfile"


_of_compose = open_on(ConfigurationError, COMPOSE)
"""A compose file that cannot be read settles nothing that is in it."""


def one_image_file(evidence: Evidence, services: Sequence[str]) -> Seen:
    """A Dockerfile that is told what to run, and by whom it is not run as root."""
    text = evidence.text("Dockerfile")
    missing = [word for word in ("FROM", "USER", "HEALTHCHECK") if f"\n{word} " not in f"\n{text}"]
    if not text or missing:
        fact = f"Dockerfile has no {', '.join(missing)}" if text else "there is no Dockerfile"
        return Seen("open", fact, IMAGE)
    return Seen("done", "Dockerfile, with a user and a health check of its own")


@_of_compose
def containers(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Each mode of each service has a container."""
    there = {(each.service, each.mode) for each in evidence.compose.containers}
    wanted = [(name, mode) for name in services for mode in evidence.modes(name)]
    missing = [f"{name} {mode}" for name, mode in wanted if (name, mode) not in there]
    if missing or not wanted:
        fact = f"{evidence.compose.file.name} runs no {', '.join(missing) or 'service'}"
        return Seen("open", fact, COMPOSE)
    return Seen("done", f"{evidence.compose.file.name} runs {len(wanted)} processes")


@_of_compose
def apis_alone(evidence: Evidence, services: Sequence[str]) -> Seen:
    """API containers run in mode api."""
    inline = [c.name for c in evidence.compose.of("inline", "all") if c.service in services]
    apis = [c.name for c in evidence.compose.of("api") if c.service in services]
    if inline or not apis:
        fact = f"{', '.join(inline)} runs workers too" if inline else "no container runs an API"
        return Seen("open", fact, "WORKER_MODE: api")
    return Seen("done", f"WORKER_MODE is api in {', '.join(apis)}")


@_of_compose
def limited(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Workers have limits."""
    workers = _workers(evidence, services)
    return _all(workers, lambda c: c.cpus and c.memory, "has no limit of CPU or memory",
                lambda c: f"{c.name} {c.cpus} CPU {c.memory}",
                "cpus: 0.5, mem_limit: 256m")  # fmt: skip


@_of_compose
def restarted(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Workers come back."""
    workers = _workers(evidence, services)
    return _all(workers, lambda c: c.restart in ("unless-stopped", "always"),
                "is not started again", lambda c: f"{c.name} {c.restart}",
                "restart: unless-stopped")  # fmt: skip


@_of_compose
def health_checked(evidence: Evidence, services: Sequence[str]) -> Seen:
    """By the compose file or by their image."""
    ours = [each for each in evidence.compose.containers if each.service in services]
    image = "\nHEALTHCHECK " in evidence.text("Dockerfile")
    return _all(ours, lambda c: c.health_checked or image, "is not asked for its health",
                lambda c: c.name, "HEALTHCHECK in the Dockerfile")  # fmt: skip


@_of_compose
def understood(evidence: Evidence, services: Sequence[str]) -> Seen:
    """compose itself takes the file."""
    file = evidence.compose.file.name
    command = (*evidence.tool.words, "config", "--quiet")
    if evidence.no_docker:
        return Seen("unseen", evidence.no_docker, " ".join(command))
    if evidence.output(*command) is None:
        return Seen("open", f"docker compose refuses {file}", " ".join(command))
    return Seen("done", f"docker compose takes {file}")


@_of_compose
def built(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Every image that the compose file names for our processes is there."""
    wanted = sorted({each.image for each in evidence.compose.containers})
    command = evidence.tool.type("build")
    if not all(wanted) or not wanted:
        return Seen("open", f"{evidence.compose.file.name} does not name every image", COMPOSE)
    if evidence.no_docker:
        return Seen("unseen", evidence.no_docker, command)
    missing = [i for i in wanted if evidence.output("docker", "image", "inspect", i) is None]
    if missing:
        return Seen("open", f"not built: {', '.join(missing)}", command)
    return Seen("done", f"{len(wanted)} images: {', '.join(wanted)}")


@_of_compose
def up(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Every container of *services* without a profile runs, and is healthy."""
    ours = [each for each in evidence.compose.containers if each.service in services]
    wanted = [each.name for each in ours if not each.profiles]
    command = evidence.tool.up()
    if evidence.no_docker:
        return Seen("unseen", evidence.no_docker, command)
    states = _states(evidence)
    bad = [n for n in wanted if states.get(n) not in ("running healthy", "running")]
    if bad or not wanted:
        told = [f"{name} is {states.get(name, 'not there')}" for name in bad]
        return Seen("open", ", ".join(told) or "there is no container", command)
    return Seen("done", f"{len(wanted)} containers run, and are healthy")


def _states(evidence: Evidence) -> dict[str, str]:
    """What docker says of the project's containers, by their name in the compose file."""
    ids = (evidence.output(*evidence.tool.words, "ps", "-q") or "").split()
    told = evidence.output("docker", "inspect", "--format", _STATE, *ids) if ids else None
    pairs = [line.split(" ", 1) for line in (told or "").splitlines() if " " in line]
    return {name: state.strip() for name, state in pairs}


def _workers(evidence: Evidence, services: Sequence[str]) -> list[Container]:
    return [each for each in evidence.compose.of(*WORKERS) if each.service in services]


def _all(
    found: Sequence[Container], fits: Callable[[Container], object], wrong: str,
    shown: Callable[[Container], str], way_out: str,
) -> Seen:  # fmt: skip
    bad = [each.name for each in found if not fits(each)]
    if bad or not found:
        fact = f"{', '.join(bad)} {wrong}" if bad else "there is no such container"
        return Seen("open", fact, way_out)
    return Seen("done", ", ".join(shown(each) for each in found))
