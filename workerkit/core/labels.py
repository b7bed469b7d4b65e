"""What names are outside of Python: as hosts, in Kubernetes, and as Dapr's app-ids."""

from __future__ import annotations

import re

LIMIT = 63
"""Characters of a label, by RFC 1123."""


def label_of(name: str, room: int = 0) -> str:
    """*name* as a DNS label, e.g. `order-items`, with *room* characters left for an ending."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[: LIMIT - room].strip("-")
