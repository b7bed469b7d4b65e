"""Forms made from a payload's JSON schema, and the data that comes back from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ..errors import InvalidPayload
from .html import Html, join, tag
from .model import Draft
from .words import pretty

PREFIX = "field."
"""How a field of the payload is called in the form."""


@dataclass(frozen=True, slots=True)
class Field:
    """One property of the payload. `kind` is text, integer, number, boolean, choice or json."""

    name: str
    kind: str
    required: bool
    value: Any
    choices: tuple[str, ...] = ()
    help: str = ""


def fields(draft: Draft) -> list[Field] | None:
    """What can be filled in; None when the payload is no object with properties known before."""
    schema = _resolved(draft.schema, draft.schema)
    properties = schema.get("properties")
    if schema.get("type") != "object" or not properties:
        return None
    data = draft.data if isinstance(draft.data, dict) else {}
    required = set(schema.get("required", ()))
    return [
        _field(name, _resolved(node, draft.schema), name in required, data.get(name))
        for name, node in properties.items()
    ]


def inputs(draft: Draft) -> Html | None:
    """The inputs for every field; None like `fields`."""
    found = fields(draft)
    return None if found is None else join([_row(field) for field in found])


def data_of(draft: Draft, form: Mapping[str, str]) -> Any:
    """The payload that *form* holds: its own JSON, else its fields.

    A field that is left empty and need not be there is left out.

    Raises:
        InvalidPayload: Something in it is no JSON, or no number.
    """
    if "json" in form:
        return _json("the payload", form["json"])
    found: dict[str, Any] = {}
    for field in fields(draft) or ():
        text = form.get(f"{PREFIX}{field.name}", "")
        if text == "" and not field.required:
            continue
        found[field.name] = _value(field, text)
    return found


def _field(name: str, node: Mapping[str, Any], required: bool, value: Any) -> Field:
    words = str(node.get("description") or _bounds(node))
    if "enum" in node and all(isinstance(each, str) for each in node["enum"]):
        return Field(name, "choice", required, value, tuple(node["enum"]), words)
    kind = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}
    return Field(name, kind.get(str(node.get("type")), "json"), required, value, (), words)


def _bounds(node: Mapping[str, Any]) -> str:
    said = (("minimum", "at least"), ("exclusiveMinimum", "more than"), ("maximum", "at most"),
            ("exclusiveMaximum", "less than"), ("format", "a"))  # fmt: skip
    return ", ".join(f"{words} {node[key]}" for key, words in said if key in node)


def _resolved(node: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """*node* without a reference; of alternatives the only one that is not null."""
    found: Mapping[str, Any] = node if isinstance(node, dict) else {}
    for _ in range(8):
        if "$ref" in found:
            found = schema.get("$defs", {}).get(found["$ref"].rpartition("/")[2], {})
            continue
        others = [each for each in found.get("anyOf", ()) if each.get("type") != "null"]
        if len(others) != 1:
            break
        found = others[0]
    return found


def _row(field: Field) -> Html:
    id = f"field-{field.name}"
    name = f"{PREFIX}{field.name}"
    star = tag("span", " required", class_="quiet") if field.required else None
    label = tag("label", field.name, star, for_=id)
    needed = field.required and field.kind not in ("text", "boolean")
    if field.kind == "choice":
        options = [
            tag("option", each, value=each, selected=each == field.value)
            for each in (("",) if not field.required else ()) + field.choices
        ]
        control = tag("select", options, id=id, name=name)
    elif field.kind == "boolean":
        options = [
            tag("option", each, value=each, selected=each == _text(field.value))
            for each in ("true", "false")
        ]
        control = tag("select", options, id=id, name=name)
    elif field.kind == "json":
        text = "" if field.value is None else pretty(field.value)
        control = tag("textarea", text, id=id, name=name, rows=4, spellcheck="false")
    else:
        control = tag(
            "input", id=id, name=name, type="text", value=_text(field.value), required=needed,
            inputmode="decimal" if field.kind != "text" else None, autocomplete="off",
        )  # fmt: skip
    hint = tag("span", field.help, class_="quiet") if field.help else None
    return tag("div", label, control, hint, class_="row")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _value(field: Field, text: str) -> Any:
    if field.kind in ("text", "choice"):
        return text
    return _json(field.name, text)


def _json(what: str, text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidPayload(f"{what}: {text[:60]!r} is no JSON") from None
