"""Which topics an app wants and on which of its routes: what `/dapr/subscribe` answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ..config.problem import first_problem
from ..errors import ConfigurationError

_RULE = re.compile(r"""\s*event\.(\w+)\s*==\s*(?:"([^"]*)"|'([^']*)')\s*""")
"""The rules that are understood: `event.type == "x"`, of all that CEL can say."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Bulk(_Model):
    """`bulkSubscribe`; the defaults are Dapr's."""

    enabled: bool = False
    most: Annotated[int, Field(alias="maxMessagesCount", ge=0)] = 0
    wait_ms: Annotated[int, Field(alias="maxAwaitDurationMs", ge=0)] = 0

    @property
    def size(self) -> int:
        """Events of one request at most."""
        return self.most or 100

    @property
    def fill(self) -> float:
        """Seconds that a request waits to be filled."""
        return (self.wait_ms or 1000) / 1000


class Rule(_Model):
    """A path for events that match."""

    match: str = ""
    path: str

    def fits(self, envelope: Mapping[str, Any] | None) -> bool:
        """Whether *envelope* is one for this path; an empty rule takes all."""
        found = _RULE.fullmatch(self.match)
        if found is None:
            return not self.match.strip()
        name, *values = found.groups()
        return (envelope or {}).get(name) == next(v for v in values if v is not None)


class Routes(_Model):
    """Paths by rule, and the one for the rest; empty: the rest is dropped."""

    rules: tuple[Rule, ...] = ()
    default: str = ""


class Declared(_Model):
    """One subscription of an app."""

    pubsub: Annotated[str, Field(alias="pubsubname", min_length=1)]
    topic: Annotated[str, Field(min_length=1)]
    route: str = ""
    routes: Routes = Routes()
    dead_letter: Annotated[str, Field(alias="deadLetterTopic")] = ""
    bulk: Annotated[Bulk, Field(alias="bulkSubscribe")] = Bulk()
    metadata: dict[str, str] = {}
    scopes: tuple[str, ...] = ()
    """The apps that it is for, where a file says so; none: all."""

    @property
    def raw(self) -> bool:
        """Whether the topic carries payloads without envelopes."""
        return is_raw(self.metadata)

    def path(self, envelope: Mapping[str, Any] | None) -> str:
        """Where an event goes; empty: nowhere."""
        fitting = (rule.path for rule in self.routes.rules if rule.fits(envelope))
        return next(fitting, self.routes.default or self.route)

    def check(self) -> None:
        """Raises ConfigurationError for what this sidecar cannot do."""
        for rule in self.routes.rules:
            if rule.match.strip() and not _RULE.fullmatch(rule.match):
                raise ConfigurationError(
                    f"topic {self.topic}: the rule {rule.match!r} is not supported; "
                    'this sidecar understands rules like event.type == "x"'
                )
        if not any((self.route, self.routes.rules, self.routes.default)):
            raise ConfigurationError(f"topic {self.topic}: has no route")


def is_raw(metadata: Mapping[str, str]) -> bool:
    """Whether a subscription's *metadata* asks for payloads as they are."""
    return metadata.get("rawPayload", "").lower() in ("1", "t", "true")


_DECLARED = TypeAdapter(list[Declared] | None)


def read_declared(body: bytes) -> list[Declared]:
    """What an app answered to `GET /dapr/subscribe`.

    Raises:
        ConfigurationError: No JSON array of subscriptions, or one that is not supported.
    """
    try:
        found = _DECLARED.validate_python(orjson.loads(body or b"null")) or []
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"/dapr/subscribe answered no JSON: {error}") from None
    except ValidationError as error:
        raise ConfigurationError(f"/dapr/subscribe: {first_problem(error)}") from None
    for each in found:
        each.check()
    return found
