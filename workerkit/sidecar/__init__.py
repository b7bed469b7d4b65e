"""The local sidecar: Dapr's API, on the project's own transport."""

from __future__ import annotations

from .channel import App
from .pubsub import Policy, PubSub
from .server import Sidecar, grpc_installed

__all__ = ["App", "Policy", "PubSub", "Sidecar", "grpc_installed"]
