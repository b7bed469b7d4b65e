"""Sessions of the project: `python3 noxfile.py -s NAME`; makes itself an environment with nox.

tests   every test that this machine can run
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def bootstrap() -> None:
    """Run nox on this file, from an environment of our own when nox is missing."""
    try:
        import nox.__main__  # noqa: F401, PLC0415
    except ImportError:
        home = ROOT / ".venv"
        python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if not (home / "nox-ready").exists():
            print("making an environment for nox in .venv", flush=True)  # noqa: T201
            venv.create(home, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "nox"], check=True)
            (home / "nox-ready").touch()
    else:
        python = Path(sys.executable)
    os.chdir(ROOT)
    sys.exit(subprocess.call([python, "-m", "nox", "-f", __file__, *sys.argv[1:]]))


if __name__ == "__main__":
    bootstrap()

import nox  # noqa: E402

nox.options.sessions = ["tests"]
nox.options.reuse_existing_virtualenvs = True
DEPENDENCIES = nox.project.load_toml("pyproject.toml")["dependency-groups"]


@nox.session
def tests(session: nox.Session) -> None:
    """Lint, types, and every test that this machine can run."""
    session.install("-q", "-e", ".[postgresql]", *DEPENDENCIES["test"], *DEPENDENCIES["lint"])
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("pytest", *session.posargs)
