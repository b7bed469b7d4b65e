"""`--help` of every command: it answers, shows an example, and loads next to nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from workerkit.cli.app import app
from workerkit.config.settings import Environment

README = Path(__file__).parents[2] / "README.md"

HEAVY = ("fastapi", "prometheus_client", "psutil", "pydantic", "rich", "sqlalchemy", "starlette",
         "uvicorn", "watchfiles")  # fmt: skip


def commands() -> list[tuple[str, ...]]:
    """The path of every command, e.g. `("dlq", "list")`; a group is none."""
    found: list[tuple[str, ...]] = []

    def walk(command, path: tuple[str, ...]) -> None:
        below = getattr(command, "commands", None)
        if below is None:
            found.append(path)
        for name, each in (below or {}).items():
            walk(each, (*path, name))

    walk(typer.main.get_command(app), ())
    return found


def heavy_modules_after(*arguments: str) -> list[str]:
    """Which heavy modules a `workerkit` process has loaded when it ends."""
    program = (
        "import atexit, sys\n"
        f"heavy = lambda: [name for name in {HEAVY} if name in sys.modules]\n"
        "atexit.register(lambda: print(*heavy(), file=sys.stderr))\n"
        f"sys.argv = ['workerkit', *{arguments}]\n"
        "from workerkit.cli.app import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout or arguments == ("--version",)
    return done.stderr.split()


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_the_help_of_a_command_answers_and_has_an_example(path):
    answer = CliRunner().invoke(app, [*path, "--help"])
    assert answer.exit_code == 0, answer.output
    _, _, example = " ".join(answer.output.split()).partition("Example")
    assert f"workerkit {' '.join(path)}" in example, f"no example in\n{answer.output}"


def test_help_names_every_command():
    answer = CliRunner().invoke(app, ["--help"])
    assert answer.exit_code == 0
    missing = {path[0] for path in commands()} - set(answer.output.split())
    assert missing == set()


@pytest.mark.parametrize("path", [(), *commands()], ids=" ".join)
def test_help_loads_nothing_heavy(path):
    assert heavy_modules_after(*path, "--help") == []


def test_the_version_is_told():
    assert heavy_modules_after("--version") == []


def test_the_readme_lists_every_command_and_no_other():
    rows = re.findall(r"^\| (`workerkit .*?) \| ", README.read_text(), re.M)
    listed = set()
    for row in rows:
        first, *others = [words.split() for words in re.findall(r"`([^`]+)`", row)]
        path = tuple(word for word in first[1:] if re.fullmatch("[a-z]+", word))
        listed.add(path)
        for words in others:
            listed.add(tuple(words[1:]) if words[0] == "workerkit" else (*path[:-1], words[0]))
    assert listed == set(commands())


def test_the_readme_names_every_setting():
    text = README.read_text()
    missing = [name for name in Environment.model_fields if f"`{name.upper()}`" not in text]
    assert missing == []
