"""A `docker` whose containers are processes: it starts, kills, pauses, and writes down what for."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

PROGRAM = """#!{python}
import json, os, signal, sys
from itertools import takewhile
from pathlib import Path

home = Path(__file__).parent
words = sys.argv[1:]
with (home / "calls").open("a") as calls:
    print(json.dumps(words), file=calls)
if words[0] == "run":
    options = list(takewhile(lambda word: word.startswith("--"), words[1:]))
    image, *command = words[1 + len(options):]
    name = next(word for word in options if word.startswith("--name=")).partition("=")[2]
    (home / name).write_text(str(os.getpid()))
    os.execv(sys.executable, [sys.executable, "-m", *command])
number = dict(kill=signal.SIGKILL, pause=signal.SIGSTOP, unpause=signal.SIGCONT, rm=signal.SIGKILL)
for name in words[1:]:
    if (home / name).exists():
        os.kill(int((home / name).read_text()), number[words[0]])
"""


class FakeDocker:
    """The program in *folder*; `path` is a PATH with it in front."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        program = folder / "docker"
        program.write_text(PROGRAM.format(python=sys.executable))
        program.chmod(0o755)

    @property
    def path(self) -> str:
        return f"{self.folder}{os.pathsep}{os.environ['PATH']}"

    def calls(self, verb: str) -> list[list[str]]:
        """What came after `docker VERB`, call by call."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [words for first, *words in map(json.loads, lines) if first == verb]
