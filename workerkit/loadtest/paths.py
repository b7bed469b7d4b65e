"""Which requests an API is asked when nobody names one: what its OpenAPI document offers."""

from __future__ import annotations

import http.client
from contextlib import closing
from typing import Any

import orjson

from ..errors import ConfigurationError, Unreachable
from .target import Target

DOCUMENT = "/openapi.json"

_LIMIT = 1 << 22


def offered(target: Target) -> list[str]:
    """Every path that takes a GET without parameters, in the document's order.

    Raises:
        ConfigurationError: There is no document, or none in it; says what to do.
        Unreachable: No answer.
    """
    document = _fetch(target)
    paths = document.get("paths") if isinstance(document, dict) else None
    found = [
        path
        for path, operations in (paths or {}).items()
        if "{" not in path and isinstance(operations, dict) and _plain(operations.get("get"))
    ]
    if not found:
        there = ", ".join(paths) if paths else "nothing"
        raise ConfigurationError(
            f"{target.url}{DOCUMENT} offers no GET without parameters ({there}): give --path, "
            "or requests in workerkit.toml"
        )
    return found


def _plain(operation: Any) -> bool:
    if not isinstance(operation, dict):
        return False
    return not any(p.get("required") for p in operation.get("parameters", ()) if "in" in p)


def _fetch(target: Target) -> Any:
    connection = http.client.HTTPConnection(target.address, target.port, timeout=10)
    with closing(connection):
        try:
            connection.request("GET", DOCUMENT)
            answer = connection.getresponse()
            body = answer.read(_LIMIT)
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            raise Unreachable(f"cannot reach {target.url}: {why}") from None
    try:
        return orjson.loads(body) if answer.status == 200 else None
    except orjson.JSONDecodeError:
        return None
