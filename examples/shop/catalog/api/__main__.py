"""`python -m catalog.api`: the API alone; with WORKER_MODE=inline its workers too."""

from __future__ import annotations

import os
import sys

from workerkit.cli.app import main

os.environ["WORKER_MODE"] = os.environ.get("WORKER_MODE") or "api"
main(["run", "catalog", *sys.argv[1:]])
