"""Events by way of a Dapr sidecar."""

from __future__ import annotations

from .callbacks import BODY_LIMIT
from .stream import Stream
from .transport import DaprOptions, DaprTransport

__all__ = ["BODY_LIMIT", "DaprOptions", "DaprTransport", "Stream"]
