"""What a project's source says beside its wiring: workers that nobody builds, mistyped topics."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..config.answers import ANSWERS, read_answers
from .finding import Check

BASES = frozenset({"EventWorker", "CronJob"})

ALIKE = 0.85
"""From this likeness on, 1 being the same, one topic is taken for the other, mistyped."""


def find_unwired(folder: Path, service: str, home: Path, wired: frozenset[str]) -> list[Check]:
    """Workers and jobs below *home* whose classes are not among the *wired* ones.

    A class that another one is built on is no worker itself.
    """
    found: dict[str, Path] = {}
    built_on: set[str] = set()
    for path, tree in _sources(home / "worker"):
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef):
                continue
            bases = {_name(base) for base in node.bases}
            built_on |= bases
            if bases & BASES:
                found[node.name] = path
    return [
        Check(
            service, "fail", f"{name} in {_below(path, folder)} is not wired",
            f"give {name}(...) to Service(...) in wire.py, or remove the module",
        )
        for name, path in sorted(found.items())
        if name not in wired and name not in built_on
    ]  # fmt: skip


def find_loose_topics(folder: Path, homes: Sequence[Path], heard: Mapping[str, str]) -> list[Check]:
    """Topics that a worker listens to and that look like a mistyped one of those published.

    *heard* has the service of each topic that is listened to. Published is
    what stands in a call of `publish` as text. Topics of other systems are in
    neither; so a topic is told only beside one that is like it, and that is
    published, or was when the project was made, and that nobody listens to.

    Raises:
        ConfigurationError: The answers cannot be read.
    """
    published = dict(_published(folder, homes))
    said = {**_answered(folder), **published}
    loose = sorted(said.keys() - heard.keys())
    checks = []
    for topic in sorted(heard.keys() - published.keys()):
        for near in difflib.get_close_matches(topic, loose, n=1, cutoff=ALIKE):
            fact = f"listens to {topic!r}, which nothing here publishes"
            way_out = f"{said[near]} has {near!r}, to which nobody listens: one is mistyped"
            checks.append(Check(heard[topic], "fail", fact, way_out))
    return checks


def _answered(folder: Path) -> dict[str, str]:
    """The topics that the project was made for, with the place where that is said."""
    answers = read_answers(folder)
    services = answers.services if answers is not None else ()
    return {each.topic: ANSWERS for service in services for each in service.events}


def _published(folder: Path, homes: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Topics, with file and line."""
    for home in homes:
        for path, tree in _sources(home):
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and (topic := published_topic(node)) is not None:
                    yield topic, f"{_below(path, folder)}:{node.lineno}"


def published_topic(call: ast.Call) -> str | None:
    """The topic of `.publish("topic", ...)`; None when *call* is another one."""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr == "publish" and call.args):
        return None
    topic = call.args[0]
    return topic.value if isinstance(topic, ast.Constant) and type(topic.value) is str else None


def _sources(home: Path) -> Iterator[tuple[Path, ast.Module]]:
    """What can be read; a module that cannot is found when it is imported."""
    for path in sorted(home.rglob("*.py")):
        try:
            yield path, ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue


def _name(base: ast.expr) -> str:
    node = base.value if isinstance(base, ast.Subscript) else base
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _below(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
