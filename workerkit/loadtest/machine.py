"""On what a run was made: without it two runs cannot be compared."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import psutil

_PACKAGES = ("workerkit", "fastapi", "starlette", "uvicorn", "sqlalchemy", "redis", "pydantic")


@dataclass(frozen=True, slots=True)
class Machine:
    """`cores` that this process may use; `memory` in bytes; `versions` of what is installed.

    `load` is the load average of the last minute when the run began: above
    `cores`, others were measured along with the target.
    """

    system: str
    cores: int
    memory: int
    python: str
    versions: Mapping[str, str]
    load: float


def this_machine() -> Machine:
    """What is true now."""
    return Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cores=len(psutil.Process().cpu_affinity() or [])
        if hasattr(psutil.Process, "cpu_affinity")
        else os.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        versions={name: found for name in _PACKAGES if (found := _version(name))},
        load=round(psutil.getloadavg()[0], 2),
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
