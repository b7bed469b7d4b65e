"""For the tests of projects that are built on workerkit."""

from __future__ import annotations

from . import chaos
from .clock import FakeClock
from .sandbox import Sandbox

__all__ = ["FakeClock", "Sandbox", "chaos"]
