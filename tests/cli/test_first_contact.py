"""`python3 noxfile.py` on a machine that lacks something, and what a test run says at its end."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

LACKING = """
import importlib.metadata, runpy, sys

def no_version(name):
    raise importlib.metadata.PackageNotFoundError(name)

importlib.metadata.version = no_version
{lack}
sys.argv = ["noxfile.py", "-s", "tests"]
runpy.run_path("noxfile.py", run_name="__main__")
"""

SKIPPING = """
import pytest

@pytest.mark.parametrize("n", range(2))
def test_database(n):
    pytest.skip("no PostgreSQL server")

@pytest.mark.skipif(True, reason="no browser")
def test_page(): ...

def test_sum(): ...
"""


def noxfile_that_lacks(folder: Path, lack: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "noxfile.py", folder)
    return subprocess.run(
        [sys.executable, "-c", LACKING.format(lack=lack)],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_python_that_cannot_make_environments_is_one_line(tmp_path):
    done = noxfile_that_lacks(tmp_path, 'sys.modules["ensurepip"] = None')
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "install its venv package" in done.stderr
    assert not (tmp_path / ".nox").exists()


def test_a_python_that_is_too_old_is_one_line(tmp_path):
    done = noxfile_that_lacks(tmp_path, "sys.version_info = (3, 9, 2)")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "Python 3.11 or newer is needed" in done.stderr


def test_a_test_run_ends_with_what_it_left_out_and_pytests_own_line(tmp_path):
    (tmp_path / "test_some.py").write_text(SKIPPING)
    command = [sys.executable, "-m", "pytest", "-p", "tests.plugin_left_out", "-c", "/dev/null"]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "-p", "no:cacheprovider", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    *_, title, database, browser, closing = filter(None, done.stdout.splitlines())
    assert "left out on this machine" in title
    assert browser.split() == ["1", "test", "no", "browser"]
    assert database.split() == ["2", "tests", "no", "PostgreSQL", "server"]
    assert "1 passed, 3 skipped" in closing
