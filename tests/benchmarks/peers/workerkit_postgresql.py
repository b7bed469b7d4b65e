"""workerkit with PostgreSQL, whose commits wait for the disk, as the service's database."""

from __future__ import annotations

import os
import sys

from .workerkit_itself import publish, work

if __name__ == "__main__":
    if sys.argv[1] == "publish":
        publish(float(sys.argv[2]))
    else:
        os.environ["DATABASE_URL"] = os.environ["BENCH_POSTGRESQL"]
        work("--concurrency=4")
