"""Dapr's Resiliency files: what becomes of events on their way to an app."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..config.dapr_files import POLICIES, Document, Value, named_policies
from ..core.loading import unknown
from ..errors import ConfigurationError
from .pubsub import Policy

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")

_MISSING = {
    "retry": "a failed event is given up on at once",
    "timeout": "the app may take for ever",
    "circuitBreaker": "daprd panics on it",
}
"""What comes of a policy that is named and nowhere; daprd does the same, and says nothing."""


def read_policies(documents: Sequence[Document]) -> tuple[dict[str, Policy], list[str]]:
    """The inbound policy of each component that has one, and notes, with file and line.

    A note tells of a policy that is not served or that no file has.

    Raises:
        ConfigurationError: A value that cannot be: with its file and line.
    """
    policies: dict[str, Policy] = {}
    notes: list[str] = []
    for document in documents:
        targets = document.top.get("spec", "targets", "components")
        if document.kind != "Resiliency" or targets is None:
            continue
        for name, target in targets.fields().items():
            inbound = target.get("inbound")
            if inbound is not None:
                policies[name] = _policy(documents, inbound)
                notes += (f"{document.place(inbound.get(kind))}: {name}: {text}"
                          for kind, text in _not_served(documents, inbound))  # fmt: skip
    return policies, notes


def _not_served(documents: Sequence[Document], inbound: Value) -> Iterator[tuple[str, str]]:
    """Kinds of what *inbound* names in vain, with why."""
    for kind in POLICIES:
        name, declared = inbound.text(kind), named_policies(documents, kind)
        if name and name not in declared:
            yield kind, f"{unknown(kind, name, declared)} So {_MISSING[kind]}"
        elif name and kind == "circuitBreaker":
            yield kind, "a circuitBreaker is not supported"


def _policy(documents: Sequence[Document], inbound: Value) -> Policy:
    """Defaults as in Dapr's documentation of resiliency policies."""
    named = named_policies(documents, "timeout").get(inbound.text("timeout"))
    bound = None if named is None else _seconds(*named)
    named = named_policies(documents, "retry").get(inbound.text("retry"))
    if named is None:
        return Policy(timeout=bound)
    document, retry = named
    given = {name: _seconds(document, value) for name, value in retry.fields().items()
             if name in ("duration", "maxInterval")}  # fmt: skip
    text = retry.text("maxRetries") or "-1"
    if not re.fullmatch("-?[0-9]+", text):
        place = document.place(retry.get("maxRetries"))
        raise ConfigurationError(f"{place}: maxRetries is {text!r}, must be a whole number")
    most = None if int(text) < 0 else int(text)
    if retry.text("policy") == "exponential":
        return Policy(most, 0.5, 1.5, given.get("maxInterval", 60.0), bound)
    wait = given.get("duration", 5.0)
    return Policy(most, wait, 1.0, wait, bound)


def _seconds(document: Document, value: Value) -> float:
    """A duration as Go writes it, e.g. 1m30s."""
    text = str(value.content)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ConfigurationError(f"{document.place(value)}: {text!r} is no duration like 60s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
