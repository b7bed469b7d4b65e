"""`python -m warehouse.api`: the API alone."""

from __future__ import annotations

import sys

from workerkit.cli.app import main

sys.argv[1:1] = ["run", "warehouse", "--mode=api"]
main()
