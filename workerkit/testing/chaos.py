"""Chaos in a project's own tests.

from workerkit.testing import chaos

def test_a_killed_worker_loses_nothing():
    verdict = chaos.play("kill-worker", "pricing")
    assert verdict.result == "pass", verdict.reasons
"""

from __future__ import annotations

from pathlib import Path

from ..chaos.catalogue import SCENARIOS
from ..chaos.verdict import Verdict
from ..trial.breaking import break_it
from ..trial.place import LoadOf

__all__ = ["Verdict", "names", "play"]


def names() -> list[str]:
    """The scenarios that `play` knows, as `workerkit chaos list` shows them."""
    return [scenario.name for scenario in SCENARIOS]


def play(
    name: str,
    service: str | None = None,
    *,
    folder: Path | str = ".",
    topic: str | None = None,
    rate: float = 100.0,
) -> Verdict:
    """Play scenario *name* on the project in *folder*, and say what was lost.

    It runs in processes, on a data folder and in databases of its own, on the
    kind of broker and database that the project has; nothing is left behind.
    *service* is the one to disturb, else the first that can; *rate* events a
    second go to *topic*, else to its first worker's.

    Raises:
        ConfigurationError: No such scenario or service, or it does not fit this project.
        StartStopError: The project's processes do not start.
        StorageError: A server does not answer.
    """
    return break_it(name, Path(folder), service, LoadOf(topic, rate, quick=True))
