"""Whether this container's process is ready, as the exit code: a health check without curl.

Without an argument it asks the port that workerkit.toml gives the process, else the URL.
"""

from __future__ import annotations

import os
import sys
import tomllib
from urllib.request import urlopen


def readiness() -> str:
    """The URL that tells whether the process that MAIN_PKG and WORKER_MODE name is ready."""
    service, _, part = os.environ["MAIN_PKG"].partition(".")
    mode = os.environ.get("WORKER_MODE") or {"worker": "all"}.get(part, part)
    with open("workerkit.toml", "rb") as file:
        ports = tomllib.load(file)["services"][service]["ports"]
    port = ports[{"all": "events", "inline": "api"}.get(mode, mode)]
    return f"http://127.0.0.1:{port}/readyz"


if __name__ == "__main__":
    # An answer that is no success raises, and Python then ends with 1.
    urlopen(sys.argv[1] if sys.argv[1:] else readiness(), timeout=3)
