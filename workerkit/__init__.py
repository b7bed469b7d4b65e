"""Move background work out of your API processes, and prove that nothing was lost."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.backoff import Retry
    from .core.cache import Cache
    from .cron.job import CronJob, RunContext
    from .errors import ConfigurationError, Reject, StorageError, WorkerkitError
    from .events.worker import EventContext, EventWorker
    from .project import Project, Service, Settings
    from .storage.cleanup import OldEvents

_HOMES = {
    "Cache": "core.cache",
    "ConfigurationError": "errors",
    "CronJob": "cron.job",
    "EventContext": "events.worker",
    "EventWorker": "events.worker",
    "OldEvents": "storage.cleanup",
    "Project": "project",
    "Reject": "errors",
    "RunContext": "cron.job",
    "Retry": "core.backoff",
    "Service": "project",
    "Settings": "project",
    "StorageError": "errors",
    "WorkerkitError": "errors",
}

__all__ = [
    "Cache",
    "ConfigurationError",
    "CronJob",
    "EventContext",
    "EventWorker",
    "OldEvents",
    "Project",
    "Reject",
    "Retry",
    "RunContext",
    "Service",
    "Settings",
    "StorageError",
    "WorkerkitError",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: `workerkit --help` must not load SQLAlchemy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    """The public names."""
    return list(__all__)
