"""Payloads that fit a worker's type, for people who have none at hand."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from ..config.problem import first_problem
from ..errors import ConfigurationError
from .example_text import example_text

DEEP = 6
"""Nesting from which on lists stay empty and optional things are left out."""

_MOMENTS = ("2025-01-01T12:00:00Z", "2099-01-01T12:00:00Z")


@dataclass(frozen=True, slots=True)
class _Style:
    """How an example is made; the next one is tried when the model refuses the first."""

    moment: str
    defaults: bool
    optional: bool


_STYLES = (
    _Style(_MOMENTS[0], defaults=True, optional=True),
    _Style(_MOMENTS[1], defaults=True, optional=True),
    _Style(_MOMENTS[0], defaults=True, optional=False),
    _Style(_MOMENTS[0], defaults=False, optional=True),
)


def example_payload(model: Any) -> Any:
    """JSON data that *model* (a pydantic model or any type) accepts, the same on each call.

    Keys are those of the wire, so aliases. A field's example comes first, then
    its default, then the smallest plain value that its constraints allow.

    Raises:
        ConfigurationError: None could be made; says which field the model refused.
    """
    schema = payload_schema(model)
    name, adapter = _name(model), TypeAdapter[Any](model)
    refused = ""
    for style in _STYLES:
        example = _Maker(schema, style).make(schema, "value", 0)
        try:
            adapter.validate_python(example)
        except ValidationError as error:
            refused = refused or first_problem(error, "payload")
        else:
            return example
    raise ConfigurationError(f"no example of {name} can be made: it refuses {refused}")


def payload_schema(model: Any) -> dict[str, Any]:
    """The JSON schema of *model* (draft 2020-12), by the names of the wire.

    Raises:
        ConfigurationError: It takes anything, or has none.
    """
    if model is Any or model is object:
        raise ConfigurationError("the worker takes any payload, so there is no example of it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return TypeAdapter[Any](model).json_schema(by_alias=True, mode="validation")
    except (PydanticUserError, TypeError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(f"no example of {_name(model)} can be made: {reason}") from None


def _name(model: Any) -> str:
    return getattr(model, "__name__", str(model))


class _Maker:
    """Walks a JSON schema as pydantic writes it (draft 2020-12)."""

    def __init__(self, schema: dict[str, Any], style: _Style) -> None:
        self.definitions = schema.get("$defs", {})
        self.style = style

    def make(self, node: Any, name: str, depth: int) -> Any:
        """An example of *node*, the value of property *name*."""
        node = self._resolve(node, depth)
        for key in ("examples", "enum"):
            if node.get(key):
                return node[key][0]
        for key in ("example", "const"):
            if key in node:
                return node[key]
        if self.style.defaults and "default" in node:
            return node["default"]
        match node.get("type"):
            case "object":
                return self._object(node, depth)
            case "array":
                return self._array(node, name, depth)
            case "integer" | "number":
                return _number(node)
            case "boolean":
                return True
            case "null":
                return None
        return example_text(node, name, self.style.moment)

    def _resolve(self, node: Any, depth: int) -> dict[str, Any]:
        """*node* without references and alternatives; of these, the first that is not null."""
        found: dict[str, Any] = node if isinstance(node, dict) else {}
        while True:
            if "$ref" in found:
                target = self.definitions.get(found["$ref"].rpartition("/")[2], {})
            elif "allOf" in found:
                target = {key: value for part in found["allOf"] for key, value in part.items()}
            elif "anyOf" in found or "oneOf" in found:
                branches = found.get("anyOf") or found.get("oneOf") or [{}]
                nulls = [b for b in branches if b.get("type") == "null"]
                others = [b for b in branches if b.get("type") != "null"]
                target = nulls[0] if nulls and (depth > DEEP or not others) else others[0]
            else:
                return found
            found = {
                **target,
                **{k: v for k, v in found.items() if k not in ("$ref", "allOf", "anyOf", "oneOf")},
            }

    def _object(self, node: dict[str, Any], depth: int) -> dict[str, Any]:
        required = set(node.get("required", ()))
        properties = node.get("properties", {})
        wanted = [
            key for key in properties
            if key in required or (self.style.optional and depth <= DEEP)
        ]  # fmt: skip
        if depth > 4 * DEEP:
            return {}
        made = {key: self.make(properties[key], key, depth + 1) for key in wanted}
        values = node.get("additionalProperties")
        if not properties and values is not None and values is not False:
            key = self.make(node.get("propertyNames", {"type": "string"}), "key", depth + 1)
            made[str(key)] = self.make(values, str(key), depth + 1)
        return made

    def _array(self, node: dict[str, Any], name: str, depth: int) -> list[Any]:
        if "prefixItems" in node:
            return [self.make(item, name, depth + 1) for item in node["prefixItems"]]
        length = max(node.get("minItems", 0), 0 if depth > DEEP else 1)
        length = min(length, node.get("maxItems", length))
        if depth > 4 * DEEP:
            return []
        item = node.get("items", {})
        made = [self.make(item, name, depth + 1) for _ in range(length)]
        if node.get("uniqueItems") and length > 1:
            return [_varied(value, self._resolve(item, depth), n) for n, value in enumerate(made)]
        return made


def _varied(value: Any, node: dict[str, Any], position: int) -> Any:
    """Member number *position* of a set."""
    if node.get("enum"):
        return node["enum"][position % len(node["enum"])]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value + position * node.get("multipleOf", 1)
    return f"{value}{position}" if isinstance(value, str) and position else value


def _number(node: dict[str, Any]) -> int | float:
    """1, or the allowed number next to it."""
    whole = node["type"] == "integer"
    step = node.get("multipleOf", 1)
    value: int | float = step
    low = node.get("minimum", node.get("exclusiveMinimum", -math.inf))
    high = node.get("maximum", node.get("exclusiveMaximum", math.inf))
    open_low, open_high = "exclusiveMinimum" in node, "exclusiveMaximum" in node
    if value < low or (open_low and value == low):
        value = math.ceil(low / step) * step if whole or "multipleOf" in node else low
        value += step if open_low and value == low else 0
    if value > high or (open_high and value == high):
        value = math.floor(high / step) * step if whole or "multipleOf" in node else high
        value -= step if open_high and value == high else 0
    if not whole and not (low <= value <= high) and math.isfinite(low + high):
        return float((low + high) / 2)
    if not whole and value == low and open_low and math.isfinite(high):
        return float((low + high) / 2)
    return int(value) if whole else value
