"""The local sidecar: Dapr's API, on the project's own transport."""

from __future__ import annotations

from .channel import App
from .pubsub import Policy, PubSub
from .resources import Place, Resources, read_resources
from .server import Sidecar, grpc_installed
from .stores import MemoryStore, RedisStore, Store

__all__ = [
    "App", "MemoryStore", "Place", "Policy", "PubSub", "RedisStore", "Resources", "Sidecar",
    "Store", "grpc_installed", "read_resources",
]  # fmt: skip
