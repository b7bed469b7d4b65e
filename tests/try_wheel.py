"""Uses the built wheel as a stranger does: `python tests/try_wheel.py DIST`.

DIST holds one wheel and one sdist. The wheel goes into an environment of its
own in a temporary folder, away from the checkout; there a worker is run, an
event is published, and the demo has to hold.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from contextlib import closing, suppress
from pathlib import Path

PATIENCE = 60.0

IN_WHEEL = ("workerkit/py.typed", "workerkit/examples/minimal/app.py",
            "workerkit/examples/shop/workerkit.toml",
            "workerkit/templates/1/project/files/workerkit.toml.jinja")  # fmt: skip
IN_SDIST = ("LICENSE", "README.md", "noxfile.py", "tests/try_wheel.py", "examples/minimal/app.py",
            "examples/shop/workerkit.toml")  # fmt: skip
UNWANTED = re.compile(r"__pycache__|\.workerkit/|\.(pyc|db|db-wal|log)$|_cache/")


def main(dist: Path) -> None:
    """Check what was built, then use it."""
    wheel, sdist = one(dist, "*.whl"), one(dist, "*.tar.gz")
    check_contents(wheel, sdist)
    with tempfile.TemporaryDirectory(prefix="workerkit-wheel-") as folder:
        scripts = install(wheel, Path(folder))
        print(run(scripts, folder, "--version").strip())
        if "Usage: workerkit" not in run(scripts, folder, "--help"):
            sys.exit("workerkit --help does not show its usage")
        check_origin(scripts, folder)
        publish_and_run(scripts, Path(folder))
        make_a_project(scripts, Path(folder))
        print(run(scripts, folder, "demo", "--once").strip())
    print(f"{wheel.name} works, {wheel.stat().st_size // 1024} KiB")


def one(folder: Path, pattern: str) -> Path:
    """The only file in *folder* that matches."""
    found = list(folder.glob(pattern))
    if len(found) != 1:
        sys.exit(f"{folder} has {len(found)} files {pattern}, must be 1")
    return found[0]


def check_contents(wheel: Path, sdist: Path) -> None:
    """Everything that must be inside is, and nothing that a run leaves behind."""
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        source = {name.partition("/")[2] for name in archive.getnames()}
    missing = [n for n in IN_WHEEL if n not in inside] + [n for n in IN_SDIST if n not in source]
    if not any(re.search(r"\.dist-info/(licenses/)?LICENSE$", name) for name in inside):
        missing.append("LICENSE in the wheel")
    unwanted = sorted(name for name in inside | source if UNWANTED.search(name))
    strange = sorted(n for n in inside if not re.match(r"workerkit(-[^/]+\.dist-info)?/", n))
    if missing or unwanted or strange:
        sys.exit(f"missing: {missing}; unwanted: {unwanted}; beside the package: {strange}")


def install(wheel: Path, folder: Path) -> Path:
    """The folder of the scripts of a new environment that has the wheel."""
    home = folder / "environment"
    subprocess.run([sys.executable, "-m", "virtualenv", "-q", str(home)], check=True)
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", f"{wheel}[demo,dev]"], check=True)
    return scripts


def environment() -> dict[str, str]:
    """Ours, without what would lead back to the checkout."""
    away = ("PYTHON", "VIRTUAL_ENV", "WORKER", "DATABASE_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(away)}


def run(scripts: Path, folder: str | Path, *arguments: str) -> str:
    """What `workerkit` says to *arguments*; exits with its code when that is not 0."""
    done = subprocess.run(
        [scripts / "workerkit", *arguments],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        print(f"workerkit {' '.join(arguments)} ended with {done.returncode}", file=sys.stderr)
        sys.exit(done.returncode)
    return done.stdout


def check_origin(scripts: Path, folder: str) -> None:
    """The package that runs is the installed one."""
    program = "import workerkit; print(workerkit.__file__)"
    where = subprocess.check_output(
        [scripts / "python", "-c", program], cwd=folder, env=environment(), text=True
    )
    if "site-packages" not in where:
        sys.exit(f"workerkit was imported from {where.strip()}")


def publish_and_run(scripts: Path, folder: Path) -> None:
    """The minimal example: an event is published, and applied by a worker."""
    example = next((scripts.parent).rglob("workerkit/examples/minimal"))
    shutil.copytree(example, folder / "minimal", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "minimal" / "workerkit.toml").write_text(
        '[services.app]\nwire = "app:wire"\nports = { events = 0 }\n'
    )
    order = '{"id": 7, "amount": 1250}'
    print(run(scripts, folder / "minimal", "publish", "orders", "--data", order).strip())
    with (folder / "worker.log").open("w") as log:
        worker = subprocess.Popen(
            [scripts / "workerkit", "run"], cwd=folder / "minimal", env=environment(), stderr=log
        )
    try:
        end = time.monotonic() + PATIENCE
        while (rows := revenue(folder / "minimal" / ".workerkit" / "app.db")) != [(7, 1250)]:
            if worker.poll() is not None or time.monotonic() > end:
                said = (folder / "worker.log").read_text()
                sys.exit(f"the event was not applied: {rows}\n{said}")
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        if worker.wait(PATIENCE) != 0:
            sys.exit(f"the worker ended with {worker.returncode}")
    finally:
        worker.kill()
    print("the event was applied once; the worker stopped when asked to")


def make_a_project(scripts: Path, folder: Path) -> None:
    """A new project is installed and passes its tests: the templates are in the wheel."""
    flags = ("--service", "orders", "--topic", "order.placed", "--cron", "@daily")
    run(scripts, folder, "new", "acme", *flags)
    for command in (["-m", "pip", "install", "-q", "-e", "."], ["-m", "pytest", "-q"]):
        done = subprocess.run(
            [scripts / "python", *command], cwd=folder / "acme", env=environment(),
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"in a new project {' '.join(command)}:\n{done.stdout}{done.stderr}")
    print(f"a new project: {done.stdout.splitlines()[-1]}")


def revenue(path: Path) -> list[tuple[int, int]]:
    """The rows of the example's table; none before it exists."""
    if path.exists():
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path)) as db:
            return db.execute("SELECT order_id, amount FROM revenue").fetchall()
    return []


if __name__ == "__main__":
    main(Path(sys.argv[1]))
