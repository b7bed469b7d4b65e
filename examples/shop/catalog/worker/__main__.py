"""`python -m catalog.worker --mode=events`, or `--mode=cron`."""

from __future__ import annotations

import sys

from workerkit.cli.app import main

main(["run", "catalog", *sys.argv[1:]])
