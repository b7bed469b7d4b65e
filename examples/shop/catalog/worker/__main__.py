"""`python -m catalog.worker --mode=cron`: the workers alone."""

from __future__ import annotations

import sys

from workerkit.cli.app import main

main(["run", "catalog", *sys.argv[1:]])
