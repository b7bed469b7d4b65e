"""The local sidecar: Dapr's publish API over HTTP, on the project's own transport."""

from __future__ import annotations

from .app import sidecar_app
from .server import Sidecar

__all__ = ["Sidecar", "sidecar_app"]
