"""10,000 jobs in one cron worker, spread over an hour: start, idle CPU, lateness.

`python -m tests.benchmarks.cron [--seconds 60]`
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from tests.processes import Folder

JOBS = 10_000

APP = """
from workerkit import CronJob, Service

JOBS = [
    type(f"Job{n}Job", (CronJob,), {
        "schedule": f"{n % 60} {n // 60 % 60} * * * *", "name": f"job_{n}",
        "run": lambda self, context: None,
    })()
    for n in range(JOB_COUNT)
]


def wire(settings):
    return Service("app", cron=JOBS)
"""


def measure(seconds: float) -> dict[str, float]:
    """Start in seconds, share of one core, and lateness in milliseconds."""
    with tempfile.TemporaryDirectory() as path:
        folder = Folder(Path(path))
        (folder.path / "app.py").write_text(APP.replace("JOB_COUNT", str(JOBS)))
        try:
            began = time.monotonic()
            worker = folder.run("--mode=cron").ready()
            started = time.monotonic() - began
            process = psutil.Process(worker.process.pid)
            before = sum(process.cpu_times()[:2])
            time.sleep(seconds)
            busy = sum(process.cpu_times()[:2]) - before
            late = [row[0] for row in folder.ask("SELECT started - tick FROM workerkit_runs")]
            rss = process.memory_info().rss
        finally:
            folder.close()
    cuts = statistics.quantiles(late, n=100)
    return {
        "jobs": JOBS,
        "start s": round(started, 2),
        "runs": len(late),
        "cpu % of a core": round(100 * busy / seconds, 2),
        "late p50 ms": round(1000 * cuts[49], 1),
        "late p99 ms": round(1000 * cuts[98], 1),
        "rss MB": round(rss / 2**20),
    }


def main() -> None:
    """Print one round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    for name, value in measure(parser.parse_args().seconds).items():
        print(f"{name:>16}  {value}")


if __name__ == "__main__":
    main()
