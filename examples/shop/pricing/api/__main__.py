"""`python -m pricing.api`: the API alone."""

from __future__ import annotations

import sys

from workerkit.cli.app import main

sys.argv[1:1] = ["run", "pricing", "--mode=api"]
main()
