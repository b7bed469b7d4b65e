"""Sessions of the project: `python3 noxfile.py -s NAME`; makes itself an environment with nox.

demo    the shop from end to end, then stays up; `-s demo -- --once` ends after the last step
tests   lint, types, and every test that this machine can run; says what it left out
wheel   build the wheel and try it in an environment that has never seen this folder
bench   the benchmarks
pictures  those in docs, of the page and of the terminal
checklist  all that the checklist asks of the shop, an hour and a half, into docs/checklist.md
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
NOX = "nox>=2024.10.9"


def bootstrap() -> None:
    """Run nox on this file, from an environment of our own when nox is missing."""
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}")
    python = sys.executable if has_nox() else own_environment()
    os.chdir(ROOT)
    become([python, "-m", "nox", "-f", __file__, *sys.argv[1:]])


def has_nox() -> bool:
    """Whether this Python has a nox that is new enough."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return [int(part) for part in version("nox").split(".")[:3]] >= [2024, 10, 9]
    except (PackageNotFoundError, ValueError):
        return False


def own_environment() -> str:
    """The Python of an environment with nothing but nox, made once."""
    home = ROOT / ".nox" / "nox"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = home / f"ready-{sys.version_info[0]}.{sys.version_info[1]}"
    if not (ready.exists() and python.exists()):
        try:
            import ensurepip  # noqa: F401, PLC0415
            import venv  # noqa: PLC0415
        except ImportError:
            sys.exit(
                f"{sys.executable} cannot make environments: install its venv package "
                "(Debian, Ubuntu: apt-get install python3-venv) and run this again"
            )
        print("making an environment for nox in .nox/nox", flush=True)
        venv.create(home, with_pip=True, clear=True)
        if subprocess.call([python, "-m", "pip", "install", "-q", NOX]):
            sys.exit("nox could not be installed: is there a way to the package index?")
        ready.touch()
    return str(python)


def become(command: list[str]) -> None:
    """Put *command* in place of this process, so that signals and its exit code are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


if __name__ == "__main__":
    bootstrap()

import nox  # noqa: E402
from nox.command import CommandFailed  # noqa: E402

nox.needs_version = NOX.removeprefix("nox")
nox.options.sessions = ["tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "virtualenv"
PYPROJECT = ROOT / "pyproject.toml"
CONTAINERS = "tests/containers"
PARALLEL = ("-n2", "--dist=worksteal", f"--ignore={CONTAINERS}")
"""Most tests wait for processes and servers: two at a time take half as long, on two cores too."""
GROUPS = nox.project.load_toml(PYPROJECT)["dependency-groups"]


def install(session: nox.Session, *packages: str) -> None:
    """Install *packages* unless the session's environment was made from the same ones.

    The project itself is installed editable: only pyproject.toml can make it stale.
    """
    wanted = "\n".join([str(ROOT), sys.version, PYPROJECT.read_text(), *packages])
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    stamp = Path(session.virtualenv.location) / "installed"
    if stamp.exists() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    session.log("installing into %s", session.virtualenv.location)
    session.install("-q", *packages)
    stamp.write_text(digest)


@nox.session
def demo(session: nox.Session) -> None:
    """The shop from end to end; takes nox's place, so name it last."""
    install(session, "-e", ".[demo]")
    become([str(Path(session.bin) / "workerkit"), "demo", *session.posargs])


@nox.session
def tests(session: nox.Session) -> None:
    """Lint, types, and every test that this machine can run; one that fails stops no other."""
    install(session, "-e", ".[dapr,demo,otel,postgresql]", *GROUPS["test"], *GROUPS["lint"])
    steps = [(".", "ruff", "check", "-q", "."), (".", "mypy")]
    if not session.posargs:
        steps += [("examples/shop", "mypy"), ("examples/shop", "pytest", "-q")]
    steps += [(".", "pytest", *(session.posargs or PARALLEL))]
    if not session.posargs:
        # The containers' names and ports are there once: never two tests at a time.
        steps += [(".", "pytest", CONTAINERS)]
    failed = [" ".join(step[1:]) for step in steps if not passed(session, *step)]
    if failed:
        session.error(f"failed: {'; '.join(failed)}")


def passed(session: nox.Session, folder: str, *command: str) -> bool:
    """Whether *command* ends well in *folder*."""
    with session.chdir(folder):
        try:
            session.run(*command, interrupt_timeout=20)
        except CommandFailed:
            return False
    return True


@nox.session
def wheel(session: nox.Session) -> None:
    """Build sdist and wheel, then use the wheel away from this folder."""
    install(session, *GROUPS["wheel"])
    built = ROOT / ".nox" / "dist"
    for old in built.glob("*"):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", str(built), ".", silent=True)
    session.run("python", "tests/try_wheel.py", str(built), *session.posargs, interrupt_timeout=20)


@nox.session
def bench(session: nox.Session) -> None:
    """The engine against its goals, and other frameworks at the same work; `-- --rounds 5`."""
    install(session, "-e", ".[demo,postgresql]", *GROUPS["test"], *GROUPS["bench"])
    peers = ("tests.benchmarks.peers.run", "--write=docs/benchmarks.md")
    ended = ("tests.benchmarks.peers.crash", "--append=docs/benchmarks.md")
    for module in (("tests.benchmarks.engine",), peers, ended):
        session.run("python", "-m", *module, *session.posargs, interrupt_timeout=20)


@nox.session
def pictures(session: nox.Session) -> None:
    """Make the pictures in docs anew; needs Chromium."""
    install(session, "-e", ".[demo]", *GROUPS["test"])
    session.run("python", "-m", "tests.pictures", interrupt_timeout=20)


@nox.session
def checklist(session: nox.Session) -> None:
    """Do what the checklist asks of the shop; fails when an item stays open."""
    install(session, "-e", ".[demo]", *GROUPS["test"])
    session.run("python", "-m", "tests.whole_checklist", interrupt_timeout=20)
