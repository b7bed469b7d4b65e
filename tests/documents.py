"""What documents tell their readers to type."""

from __future__ import annotations

import re


def typed(text: str) -> list[str]:
    """The lines of a Markdown *text*'s blocks, in order."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


def commands(text: str) -> list[str]:
    """The `workerkit` commands among them, each once."""
    return sorted({line for line in typed(text) if line.startswith("workerkit ")})
