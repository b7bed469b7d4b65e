"""What is kept of a handler's error, of any kind and any size."""

from __future__ import annotations

import traceback

TRACEBACK_LIMIT = 16_000
"""Characters of a traceback that a dead letter keeps."""

MESSAGE_LIMIT = 2_000
"""Characters of an error's message that are kept."""


def describe(error: BaseException) -> str:
    """Type and message in MESSAGE_LIMIT characters at most, also when `str` of it fails."""
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    return clean(f"{type(error).__name__}: {text}")[:MESSAGE_LIMIT]


def trace(error: BaseException) -> str:
    """The end of the traceback, which is what tells."""
    try:
        return clean("".join(traceback.format_exception(error)))[-TRACEBACK_LIMIT:]
    except Exception:
        return describe(error)


def clean(text: str) -> str:
    """*text* as any database takes it: PostgreSQL refuses NUL, UTF-8 lone surrogates."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
