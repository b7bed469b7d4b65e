"""A project's compose file: which of its containers run which process of which service."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from ..core.labels import label_of
from ..errors import ConfigurationError

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""In the order in which docker compose looks for them."""

MODES = ("api", "events", "cron", "all", "inline")

ENDINGS = ("-service", "-event-worker", "-event-workers", "-cron-worker")
"""What the templates' containers are called after their service's label."""

_VARIABLE = re.compile(r"\$\{\w+(?::?-([^}]*))?[^}]*\}")


@dataclass(frozen=True, slots=True)
class Container:
    """A service of the compose file that runs *service* in *mode*.

    `port` is where this machine reaches it, None when none is published; `image` is
    empty when compose names it; `cpus` and `memory` are its limits as written, empty
    without; `profiles` are those that must be asked for.
    """

    name: str
    service: str
    mode: str
    port: int | None
    image: str
    cpus: str
    memory: str
    restart: str
    health_checked: bool
    command: tuple[str, ...]
    profiles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compose:
    """The file; `others` are what its containers need, such as a database.

    Neither ours nor behind a profile, that is.
    """

    file: Path
    containers: tuple[Container, ...]
    others: tuple[str, ...]

    @property
    def files(self) -> list[str]:
        """What docker compose reads by itself: the file, and the override beside it."""
        overrides = [name.replace(".y", ".override.y") for name in NAMES]
        there = [name for name in overrides if (self.file.parent / name).is_file()]
        return [self.file.name, *there[:1]]

    def of(self, *modes: str) -> list[Container]:
        """Those that run in one of *modes*."""
        return [each for each in self.containers if each.mode in modes]


def find_compose(folder: Path) -> Path | None:
    """The file that docker compose takes in *folder*."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def read_yaml(path: Path) -> Any:
    """The first document in *path*.

    Raises:
        ConfigurationError: It cannot be read, or is no YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path.name}: {(error.strerror or '').lower()}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path.name}: {error}") from None
    except yaml.YAMLError as error:
        problem = str(getattr(error, "problem", None) or error)
        raise ConfigurationError(f"{path.name}: no YAML: {problem}") from None


def read_compose(path: Path, services: Sequence[str]) -> Compose:
    """The containers of *services*; one is known by its name and its WORKER_MODE or `--mode`.

    Raises:
        ConfigurationError: It cannot be read, or has no services.
    """
    content = read_yaml(path)
    entries = content.get("services") if isinstance(content, dict) else None
    if not isinstance(entries, dict):
        raise ConfigurationError(f"{path.name}: has no services")
    ours: list[Container] = []
    others: list[str] = []
    for name, entry in entries.items():
        given = entry if isinstance(entry, dict) else {}
        try:
            found = _container(str(name), given, services)
        except (AttributeError, TypeError, ValueError):
            raise ConfigurationError(
                f"{path.name}: {name}: not of the shape of a service; see docker compose config"
            ) from None
        if found is not None:
            ours.append(found)
        elif not given.get("profiles"):
            others.append(str(name))
    return Compose(path, tuple(ours), tuple(others))


def _container(name: str, entry: Mapping[str, Any], services: Sequence[str]) -> Container | None:
    environment = _environment(entry.get("environment"))
    command = _words(entry.get("command"))
    service = _service(name, services)
    mode = _mode(environment, command)
    if service is None or mode is None:
        return None
    limits = _limits(entry)
    return Container(
        name=name, service=service, mode=mode,
        port=_port(entry.get("ports") or ()),
        image=_plain(entry.get("image", "")),
        cpus=limits.get("cpus", ""), memory=limits.get("memory", ""),
        restart=_plain(entry.get("restart", "")),
        health_checked=not (entry.get("healthcheck") or {}).get("disable", False)
        and bool(entry.get("healthcheck")),
        command=command,
        profiles=tuple(map(str, entry.get("profiles") or ())),
    )  # fmt: skip


def _service(name: str, services: Sequence[str]) -> str | None:
    """That of *services* whose container the templates call *name*, else the longest beginning.

    So `orders-event-worker` is a worker of `orders`, and not of a service `orders_event`.
    """
    usual = [one for one in services if name.removeprefix(label_of(one)) in ENDINGS]
    fitting = [one for one in services if _begins(name, one) or _begins(name, label_of(one))]
    return max(usual or fitting, key=len, default=None)


def _begins(name: str, service: str) -> bool:
    return name == service or name.startswith((f"{service}-", f"{service}_"))


def _mode(environment: Mapping[str, str], command: Sequence[str]) -> str | None:
    """What decides in the process: a flag before the environment."""
    flags = [word.partition("=")[2] for word in command if word.startswith("--mode=")]
    flags += [after for word, after in pairwise(command) if word == "--mode"]
    mode = flags[-1] if flags else environment.get("WORKER_MODE", "")
    return mode if mode in MODES else None


def _environment(given: Any) -> dict[str, str]:
    """Of both forms that compose knows; a variable gives its default."""
    if isinstance(given, dict):
        return {str(name): _plain(value) for name, value in given.items() if value is not None}
    pairs = [str(each).partition("=") for each in given or ()]
    return {name: _plain(value) for name, _, value in pairs}


def _words(command: Any) -> tuple[str, ...]:
    if isinstance(command, str):
        return tuple(command.split())
    return tuple(str(word) for word in command or ())


def _limits(entry: Mapping[str, Any]) -> dict[str, str]:
    deploy = entry.get("deploy") or {}
    limits = (deploy.get("resources") or {}).get("limits") or {}
    found = {"cpus": entry.get("cpus"), "memory": entry.get("mem_limit"), **limits}
    return {name: _plain(value) for name, value in found.items() if value is not None}


def _port(ports: Sequence[Any]) -> int | None:
    """The first published port of this machine: `8001:8001`, `127.0.0.1:8001:8001`, or long."""
    for each in ports:
        published = each.get("published") if isinstance(each, dict) else _published(_plain(each))
        if published and _plain(published).isdigit():
            return int(_plain(published))
    return None


def _published(text: str) -> str:
    parts = text.rpartition("/")[0] or text
    *before, _ = parts.rsplit(":", 1)
    return before[0].rpartition(":")[2] if before else ""


def _plain(value: Any) -> str:
    """As text, with each `${NAME:-default}` its default: what this shell sets is not asked."""
    return _VARIABLE.sub(lambda found: found[1] or "", str(value))
