"""A folder in which projects are made from templates, used within the test's process."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from tests.shops import Answer, call
from workerkit.scaffold import templates

ORDERS = ("--service", "orders", "--topic", "order.placed", "--cron", "*/10 * * * *")


class Desk:
    """A folder in which projects are made, and the templates that they are made from."""

    def __init__(self, folder: Path, monkeypatch: Any) -> None:
        self.folder = folder / "desk"
        self.folder.mkdir()
        self.project = self.folder / "acme"
        self._monkeypatch = monkeypatch
        self._templates = folder / "templates"
        monkeypatch.chdir(self.folder)

    def call(self, *arguments: str, stdin: str | None = None) -> Answer:
        try:
            return call(self._monkeypatch, *arguments, stdin=stdin)
        finally:
            self.close()

    def make(self, *arguments: str) -> None:
        answer = self.call("new", "acme", *(arguments or ORDERS))
        assert answer.code == 0, answer.err
        self._monkeypatch.chdir(self.project)

    def files(self) -> dict[str, str]:
        return {
            path.relative_to(self.folder).as_posix(): path.read_text()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }

    def change(self, path: str, before: str, after: str) -> None:
        """Edit a file of the project, as a person does."""
        text = (self.project / path).read_text()
        assert before in text
        (self.project / path).write_text(text.replace(before, after))

    def release(self, version: int) -> Path:
        """A newer version of the templates, to be edited by the test; the folder of it."""
        if not self._templates.exists():
            shutil.copytree(templates.templates_folder(), self._templates)
            self._monkeypatch.setattr(templates, "templates_folder", lambda: self._templates)
        newer = self._templates / str(version)
        shutil.copytree(self._templates / str(version - 1), newer)
        return newer

    def close(self) -> None:
        """Forget what was imported from here, as the end of a process does."""
        here = str(self.folder)
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(here):
                del sys.modules[name]
        sys.path[:] = [place for place in sys.path if not place.startswith(here)]


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
