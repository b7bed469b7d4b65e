"""Foreign text in an error message: one line, and not too much of it."""

from __future__ import annotations


def short(text: str, longest: int = 60) -> str:
    """*text*, cut when longer than *longest* characters, with control characters escaped."""
    cut = text if len(text) <= longest else f"{text[:longest]}..."
    return cut if cut.isprintable() else cut.encode("unicode_escape").decode("ascii")
