"""Texts for example payloads: by JSON schema format, by pattern, by length."""

from __future__ import annotations

import re
from typing import Any

_FORMATS = {
    "time": "12:00:00",
    "duration": "PT1M",
    "email": "someone@example.com",
    "name-email": "someone@example.com",
    "uri": "https://example.com/",
    "multi-host-uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipvanyaddress": "192.0.2.1",
    "ipv4network": "192.0.2.0/24",
    "ipv6network": "2001:db8::/32",
    "ipvanynetwork": "192.0.2.0/24",
    "ipv4interface": "192.0.2.1/24",
    "ipv6interface": "2001:db8::1/32",
    "ipvanyinterface": "192.0.2.1/24",
    "json-string": "{}",
    "base64": "ZXhhbXBsZQ==",
    "base64url": "ZXhhbXBsZQ==",
}
"""The formats that pydantic writes; dates and UUIDs are made."""


def example_text(node: dict[str, Any], name: str, moment: str) -> str:
    """A text for the string schema *node* of property *name*; *moment* is an RFC 3339 time."""
    kind = node.get("format", "")
    if kind == "date-time":
        return moment
    if kind == "date":
        return moment[:10]
    if kind.startswith("uuid"):
        return f"00000000-0000-{kind[4:] or '4'}000-8000-000000000001"
    if kind in _FORMATS:
        return _FORMATS[kind]
    shortest, longest = node.get("minLength", 0), node.get("maxLength")
    if "pattern" in node:
        pattern: str = node["pattern"]
        return matching(pattern, shortest)
    text = f"{name}-1"
    text += "x" * (shortest - len(text))
    cut: str = text if longest is None else text[:longest]
    return cut


def matching(pattern: str, shortest: int = 0) -> str:
    """A text of *shortest* characters or more that matches *pattern*; "" when none is found.

    Backreferences and lookarounds are beyond it.
    """
    try:
        # The parser behind `re` has no public name; without it a pattern has no example.
        from re import _parser  # type: ignore[attr-defined]  # noqa: PLC0415

        tree = list(_parser.parse(pattern))
        for extra in (0, shortest):
            text = "".join(_piece(str(op), value, extra) for op, value in tree)
            if len(text) >= shortest and re.search(pattern, text):
                return text
    except (ImportError, re.error, ValueError, LookupError, TypeError, OverflowError):
        pass
    return ""


def _piece(op: str, value: Any, extra: int) -> str:
    """What one node of the pattern matches; *extra* more rounds of what may repeat."""
    match op:
        case "LITERAL":
            return chr(value)
        case "NOT_LITERAL":
            return "a" if value != ord("a") else "b"
        case "ANY":
            return "a"
        case "IN":
            return _member(value)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            low, high, inner = value
            return _join(inner, extra) * int(min(low + extra, high))
        case "SUBPATTERN":
            return _join(value[-1], extra)
        case "ATOMIC_GROUP":
            return _join(value, extra)
        case "BRANCH":
            return _join(value[1][0], extra)
        case "AT":
            return ""
    raise ValueError(op)


def _join(tree: Any, extra: int) -> str:
    return "".join(_piece(str(op), value, extra) for op, value in tree)


def _member(choices: Any) -> str:
    """One character of a class such as `[A-Z0-9]`."""
    source = "".join(_choice(str(op), value) for op, value in choices)
    negated = str(choices[0][0]) == "NEGATE"
    if not negated:
        return source[0]
    return next(char for char in "aA1-_ " if char not in source)


def _choice(op: str, value: Any) -> str:
    match op:
        case "LITERAL":
            return chr(value)
        case "RANGE":
            first, last = value
            return "".join(chr(code) for code in range(first, min(last, first + 200) + 1))
        case "CATEGORY":
            return {"CATEGORY_DIGIT": "1234567890", "CATEGORY_WORD": "a1_", "CATEGORY_SPACE": " "}[
                str(value)
            ]
    return ""
