"""Dapr's YAML files as components of the sidecar: Component, Subscription, Resiliency.

A component that is not supported is left out and told, so that whoever asks
for it gets Dapr's own answer: that there is none of that name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from ..config.dapr_files import Document, Value, read_documents
from ..config.problem import first_problem
from ..errors import ConfigurationError
from ..events.transport import Transport
from ..transports.memory import MemoryTransport
from .declared import Declared
from .pubsub import Policy, PubSub
from .resiliency import read_policies
from .stores import MemoryStore, RedisStore, Store

_CONNECTION = ("redisHost", "redisUsername", "redisPassword", "redisDB", "enableTLS")
_PUBSUB = (*_CONNECTION, "concurrency", "processingTimeout")

Open = Callable[[str, float], Transport]
"""Opens a transport on the Redis server of a URL, for leases of so many seconds."""


@dataclass
class Resources:
    """What a folder defines; `notes` say what in it is not served, with its place."""

    pubsubs: list[PubSub] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    subscriptions: list[Declared] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where components have their events and state.

    `local` carries the events of every pub/sub component in place of the
    servers that the files name, and `lease` is its lease in seconds; None opens
    those servers with `open`.
    """

    open: Open
    local: Transport | None = None
    lease: float = 30.0
    strict: bool = False


def read_resources(folder: Path, app_id: str, app_ids: Collection[str], place: Place) -> Resources:
    """What the YAML files below *folder* define for any of *app_ids*; state is that of *app_id*.

    Raises:
        ConfigurationError: No YAML, or a value that cannot be: with its file and line.
    """
    documents = [each for each in read_documents(folder) if _in_scope(each, app_ids)]
    policies, notes = read_policies(documents)
    found = Resources(notes=notes)
    for document in documents:
        if document.kind == "Component":
            _add_component(document, found, app_id, place, policies.get(document.name))
        elif document.kind == "Subscription":
            found.subscriptions.append(_subscription(document))
        elif document.kind != "Resiliency":
            _note(found, document, f"{document.kind or 'a resource without kind'} is not supported")
    return found


def _add_component(
    document: Document, found: Resources, app_id: str, place: Place, policy: Policy | None
) -> None:
    kind = document.type
    if kind == "pubsub.redis":
        found.pubsubs.append(_redis_pubsub(document, place, policy))
        if place.local is None:
            _note_options(found, document, _PUBSUB)
    elif kind == "pubsub.in-memory":
        transport = place.local or MemoryTransport()
        found.pubsubs.append(_pubsub(document, transport, place.lease, place, policy))
    elif kind == "state.redis" and place.local is None:
        found.stores.append(RedisStore(document.name, _url(document), app_id))
        _note_options(found, document, _CONNECTION)
    elif kind in ("state.redis", "state.in-memory"):
        found.stores.append(MemoryStore(document.name))
    else:
        _note(found, document, f"component {document.name} of type {kind} is not supported")


def _redis_pubsub(document: Document, place: Place, policy: Policy | None) -> PubSub:
    milliseconds = _whole(document, "processingTimeout", 60_000)
    if place.local is not None:
        return _pubsub(document, place.local, place.lease, place, policy)
    lease = milliseconds / 1000
    pubsub = _pubsub(document, place.open(_url(document), lease), lease, place, policy)
    pubsub.owned = True
    return pubsub


def _pubsub(
    document: Document, transport: Transport, lease: float, place: Place, policy: Policy | None
) -> PubSub:
    return PubSub(
        document.name, transport, lease=lease, strict=place.strict, policy=policy,
        concurrency=_whole(document, "concurrency", 10), type=document.type,
    )  # fmt: skip


def _url(document: Document) -> str:
    host, user, password, number = (_text(document, name) for name in _CONNECTION[:4])
    if not host:
        raise ConfigurationError(f"{document.place()}: {document.name} has no redisHost")
    scheme = "rediss" if _text(document, "enableTLS").lower() == "true" else "redis"
    login = f"{quote(user, '')}:{quote(password, '')}@" if password else ""
    return f"{scheme}://{login}{host}/{number or 0}"


def _text(document: Document, name: str) -> str:
    value = document.option(name)
    if value is None:
        return ""
    if not isinstance(value.content, str):
        raise ConfigurationError(
            f"{document.place(value)}: {name} is a reference to a secret, which is not "
            "supported: write its value"
        )
    return value.content


def _whole(document: Document, name: str, default: int) -> int:
    """Dapr ignores what is no whole number."""
    text = _text(document, name)
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else default


def _subscription(document: Document) -> Declared:
    spec = document.top.get("spec") or document.top
    try:
        fields = {name: _plain(value) for name, value in spec.fields().items()}
        declared = Declared.model_validate({**fields, "scopes": _scopes(document)})
        declared.check()
    except ValidationError as error:
        raise ConfigurationError(f"{document.place(spec)}: {first_problem(error)}") from None
    except ConfigurationError as error:
        raise ConfigurationError(f"{document.place(spec)}: {error}") from None
    return declared


def _scopes(document: Document) -> list[str]:
    return [str(each.content) for each in (document.top.get("scopes") or Value(0, [])).items()]


def _in_scope(document: Document, app_ids: Collection[str]) -> bool:
    scopes = _scopes(document)
    return not scopes or not set(app_ids).isdisjoint(scopes)


def _note_options(found: Resources, document: Document, known: tuple[str, ...]) -> None:
    """One line for all options that change nothing here."""
    entries = (document.top.get("spec", "metadata") or Value(0, [])).items()
    lower = {name.lower() for name in known}
    others = [name for each in entries if (name := each.text("name")).lower() not in lower]
    if others:
        _note(found, document, f"component {document.name}: ignores {', '.join(others)}")


def _note(found: Resources, document: Document, text: str) -> None:
    found.notes.append(f"{document.place()}: {text}")


def _plain(value: Value) -> Any:
    if isinstance(value.content, Mapping):
        return {name: _plain(each) for name, each in value.content.items()}
    if isinstance(value.content, list):
        return [_plain(each) for each in value.content]
    return value.content
