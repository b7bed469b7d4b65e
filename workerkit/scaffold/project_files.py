"""Edits of `workerkit.toml` and of the answers that leave all else in them as it is."""

from __future__ import annotations

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
    """`workerkit.toml` with one more table at its end.

    Raises:
        ConfigurationError: It has the service already, or cannot be added to.
    """
    if service.name in parse_project(text).services:
        raise ConfigurationError(f"{FILE} has a service {service.name!r} already")
    name, port = service.name, service.port
    modes = ", ".join(f'"{mode}"' for mode in modes_of(service))
    table = (
        f"\n[services.{name}]\n"
        f'wire = "{name}.wire:wire"\n'
        f"modes = [{modes}]\n"
        f"ports = {{ api = {port}, events = {port + 1}, cron = {port + 2} }}\n"
    )
    after = f"{text.rstrip()}\n{table}"
    parse_project(after)
    return after


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


def ports_in(text: str) -> set[int]:
    """Every port that `workerkit.toml` gives to a service."""
    entries = parse_project(text).services.values()
    return {port for e in entries for port in (e.ports.api, e.ports.events, e.ports.cron)}
