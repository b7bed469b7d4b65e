"""Edits of `workerkit.toml` and of the answers that leave all else in them as it is."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ..config.answers import Answers, ServiceAnswers
from ..config.project_file import FILE, parse_project
from ..errors import ConfigurationError
from .templates import MODES, modes_of

HEAD = """\
# What the project was made from; `workerkit add`, `check` and `update` go by it.
"""


def answers_text(answers: Answers) -> str:
    """The file that keeps *answers*."""
    import tomlkit  # noqa: PLC0415

    return f"{HEAD}{tomlkit.dumps(answers.model_dump(mode='json', exclude_defaults=True))}"


def with_service(text: str, service: ServiceAnswers) -> str:
    """`workerkit.toml` with one more table behind those of the other services.

    Raises:
        ConfigurationError: It has the service already, or cannot be added to.
    """
    if service.name in parse_project(text).services:
        raise ConfigurationError(f"{FILE} has a service {service.name!r} already")
    name, port = service.name, service.port
    modes = ", ".join(f'"{mode}"' for mode in modes_of(service))
    table = (
        f"[services.{name}]\n"
        f'wire = "{name}.wire:wire"\n'
        f"modes = [{modes}]\n"
        f"ports = {{ api = {port}, events = {port + 1}, cron = {port + 2} }}\n"
    )
    lines = text.splitlines(keepends=True)
    at = _behind_services(lines)
    head, tail = "".join(lines[:at]).rstrip("\n"), "".join(lines[at:]).lstrip("\n")
    after = f"{head}\n\n{table}" + (f"\n{tail}" if tail else "")
    with suppress(tomllib.TOMLDecodeError):
        if tomllib.loads(after) == _with(tomllib.loads(text), name, tomllib.loads(table)):
            return after
    raise ConfigurationError(f"{FILE} has no room for [services.{name}]: put it in by hand")


def with_mode(text: str, service: str, mode: str) -> str:
    """`workerkit.toml` with *mode* among the modes of *service*, where it names them at all."""
    if service not in parse_project(text).services:
        raise ConfigurationError(f"{FILE} has no service {service!r}")
    import tomlkit  # noqa: PLC0415

    document: Any = tomlkit.parse(text)
    modes = document["services"][service].get("modes")
    if modes is None or mode in modes:
        return text
    wanted = sorted([*modes, mode], key=MODES.index)
    modes.clear()
    modes.extend(wanted)
    return str(document.as_string())


def with_smoke(text: str, service: str, topic: str) -> str:
    """`workerkit.toml` with an event on *topic* to try a deployment with, unless it has one."""
    file = parse_project(text)
    if file.smoke is not None:
        return text
    smoke = (
        "# What `workerkit deploy verify` sends, and where its number must show.\n"
        "[smoke]\n"
        'send.to = "sidecar"\n'
        f'send.path = "/v1.0/publish/{file.sidecar.pubsub}/{topic}"\n'
        'send.body = { id = "smoke", note = "number {number}" }\n'
        f'see = {{ at = "{service} api", path = "/entries/{topic}/smoke", field = "note" }}\n'
    )
    return f"{text.rstrip()}\n\n{smoke}"


def _behind_services(lines: Sequence[str]) -> int:
    """Before which line one more service goes; a comment stays with the table below it."""
    headers = [n for n, line in enumerate(lines) if line.startswith("[")]
    services = [n for n in headers if lines[n].startswith("[services.")]
    at = next((n for n in headers if services and n > services[-1]), len(lines))
    while at < len(lines) and lines[at - 1].startswith("#"):
        at -= 1
    return at


def _with(file: dict[str, Any], name: str, table: dict[str, Any]) -> dict[str, Any]:
    """What *file* holds, and service *name* of *table*."""
    services = {**file.get("services", {}), name: table["services"][name]}
    return {**file, "services": services}


def ports_in(text: str) -> set[int]:
    """Every port that `workerkit.toml` gives to a service."""
    entries = parse_project(text).services.values()
    return {port for e in entries for port in (e.ports.api, e.ports.events, e.ports.cron)}
