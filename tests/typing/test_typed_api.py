"""mypy, strict, on a user's worker: what is right passes, what is wrong is found."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).with_name("worker_sample.py")


def expected() -> set[tuple[int, str]]:
    lines = enumerate(SAMPLE.read_text().splitlines(), 1)
    return {(n, found[1]) for n, line in lines if (found := re.search(r"# error: (\S+)$", line))}


def test_mypy_finds_what_is_wrong_in_a_worker_and_nothing_else():
    command = [sys.executable, "-m", "mypy", "--no-pretty", "--hide-error-context", str(SAMPLE)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    pattern = re.compile(r":(\d+): error: .*\[([a-z-]+)\]$", re.M)
    found = {(int(line), code) for line, code in pattern.findall(done.stdout)}
    assert found == expected(), done.stdout + done.stderr
