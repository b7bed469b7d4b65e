"""`python -m catalog.api`: the API alone."""

from __future__ import annotations

import sys

from workerkit.cli.app import main

main(["run", "catalog", "--mode=api", *sys.argv[1:]])
