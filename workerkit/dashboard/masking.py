"""Keeps chosen fields of payloads from being shown, wherever they turn up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

MASK = "•••"

_LEAST = 3
"""Characters from which on a hidden value is looked for in texts as well."""


class Masks:
    """Hides fields by name at any depth (`email`), or by the end of their path (`card.number`)."""

    def __init__(self, fields: Sequence[str] = ()) -> None:
        self._paths = [tuple(field.strip().split(".")) for field in fields if field.strip()]

    def data(self, data: Any) -> Any:
        """*data* with what is to be hidden replaced; a text that holds JSON is looked into."""
        if not self._paths:
            return data
        return self._masked(_read(data), ())

    def text(self, text: str, data: Any) -> str:
        """*text*, an error or a log line about *data*, without the hidden values of it."""
        for value in sorted(set(self._hidden(_read(data), ())), key=len, reverse=True):
            text = text.replace(value, MASK)
        return text

    def hides(self, data: Any) -> bool:
        """Whether anything of *data* is hidden."""
        return bool(self._paths) and self._masked(_read(data), ()) != _read(data)

    def _masked(self, data: Any, path: tuple[str, ...]) -> Any:
        if isinstance(data, dict):
            return {
                key: MASK if self._named((*path, key)) else self._masked(value, (*path, key))
                for key, value in data.items()
            }
        if isinstance(data, list):
            return [self._masked(each, path) for each in data]
        return data

    def _hidden(self, data: Any, path: tuple[str, ...]) -> Iterator[str]:
        if isinstance(data, dict):
            for key, value in data.items():
                if self._named((*path, key)):
                    yield from _texts(value)
                else:
                    yield from self._hidden(value, (*path, key))
        elif isinstance(data, list):
            for each in data:
                yield from self._hidden(each, path)

    def _named(self, path: tuple[str, ...]) -> bool:
        return any(path[-len(wanted) :] == wanted for wanted in self._paths)


def _read(data: Any) -> Any:
    if not isinstance(data, str | bytes):
        return data
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return data


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif value is not None and len(str(value)) >= _LEAST:
        yield str(value)
