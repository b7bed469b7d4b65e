"""Dapr's YAML files, with the line of each value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Value:
    """A YAML value with its line, from 1: text as it is written, a list, or a mapping."""

    line: int
    content: str | list[Value] | dict[str, Value]

    def get(self, *path: str) -> Value | None:
        """What is at *path* below it; None when there is nothing."""
        found: Value | None = self
        for name in path:
            if found is None or not isinstance(found.content, dict):
                return None
            found = found.content.get(name)
        return found

    def text(self, *path: str) -> str:
        """The text at *path*, empty when there is none."""
        found = self.get(*path)
        return found.content if found is not None and isinstance(found.content, str) else ""

    def items(self) -> list[Value]:
        """The members of a list; none of anything else."""
        return self.content if isinstance(self.content, list) else []

    def fields(self) -> Mapping[str, Value]:
        """The members of a mapping; none of anything else."""
        return self.content if isinstance(self.content, dict) else {}


@dataclass(frozen=True, slots=True)
class Document:
    """One resource of Dapr's, with the file that it is in."""

    file: Path
    top: Value

    @property
    def kind(self) -> str:
        """Component, Subscription, Resiliency, ..."""
        return self.top.text("kind")

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return self.top.text("metadata", "name")

    @property
    def type(self) -> str:
        """A component's `spec.type`, e.g. pubsub.redis."""
        return self.top.text("spec", "type")

    def option(self, name: str) -> Value | None:
        """The value of a component's option: an entry of `spec.metadata`."""
        for entry in (self.top.get("spec", "metadata") or Value(0, [])).items():
            if entry.text("name").lower() == name.lower():
                return entry.get("value") or entry
        return None

    def place(self, value: Value | None = None) -> str:
        """File and line of *value*, else of the resource."""
        return f"{self.file}:{(value or self.top).line}"


POLICIES = {"retry": "retries", "timeout": "timeouts", "circuitBreaker": "circuitBreakers"}
"""What a target of a Resiliency may name, and where policies of that kind are."""


def named_policies(documents: Iterable[Document], kind: str) -> dict[str, tuple[Document, Value]]:
    """Policies of *kind*, a key of `POLICIES`, by name.

    Those of all files are one set, of which the last of a name counts: a target
    may name a policy of another file, as in daprd (pkg/resiliency, 1.18).
    """
    found: dict[str, tuple[Document, Value]] = {}
    for document in documents:
        policies = document.top.get("spec", "policies", POLICIES[kind])
        if document.kind == "Resiliency" and policies is not None:
            found |= {name: (document, value) for name, value in policies.fields().items()}
    return found


def yaml_installed() -> bool:
    """Whether the extra `dapr` is there, which reading needs."""
    return find_spec("yaml") is not None


def read_documents(folder: Path) -> list[Document]:
    """Every resource in the YAML files below *folder*, in the order of their names.

    Raises:
        ConfigurationError: A file cannot be read, or is no YAML; or PyYAML is missing.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    return [Document(file, top) for file in files for top in _read(file)]


def _read(file: Path) -> Iterator[Value]:
    try:
        import yaml  # noqa: PLC0415
    except ModuleNotFoundError:
        way_out = "pip install 'workerkit[dapr]'"
        raise ConfigurationError(f"{file}: PyYAML is not installed: {way_out}") from None
    try:
        nodes = list(yaml.compose_all(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: {error}") from None
    except yaml.YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise ConfigurationError(f"{file}{line}: no YAML: {problem}") from None
    for node in nodes:
        if node is not None:
            yield _value(node)


def _value(node: Any) -> Value:
    line = node.start_mark.line + 1
    if node.id == "mapping":
        return Value(line, {str(key.value): _value(value) for key, value in node.value})
    if node.id == "sequence":
        return Value(line, [_value(each) for each in node.value])
    return Value(line, str(node.value))
