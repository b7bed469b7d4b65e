"""`python -m pricing.worker --mode=events`, or `--mode=cron`."""

from __future__ import annotations

import sys

from workerkit.cli.app import main

main(["run", "pricing", *sys.argv[1:]])
