"""What documents tell their readers to type."""

from __future__ import annotations

import re


def commands(text: str) -> list[str]:
    """The `workerkit` commands in the blocks of a Markdown *text*, each once."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    return sorted({line for line in lines if line.startswith("workerkit ")})
