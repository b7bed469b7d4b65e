"""For the tests of projects that are built on workerkit."""

from __future__ import annotations

from . import chaos

__all__ = ["chaos"]
