"""What pydantic found wrong, as one line."""

from __future__ import annotations

from pydantic import ValidationError


def first_problem(error: ValidationError, whole: str = "the whole", *, got: bool = False) -> str:
    """Where the first problem is, and what it is; *whole* is the place when it is no part.

    Only with *got* the value is told: that of a payload may be a secret.
    """
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    told = f", got {first['input']!r}" if got and first["type"] != "missing" else ""
    return f"{where}: {first['msg']}{told}"
