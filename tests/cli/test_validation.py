"""`workerkit loadtest` alone: every part, each kept, told in one table."""

from __future__ import annotations

from threading import Event

import pytest

from tests.cli.test_loadtest import API, API_TOML
from workerkit.cli.show_load import Screen
from workerkit.trial import validation


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """A second each, and little load: what is measured is not the point here."""
    monkeypatch.setattr(validation, "ROUNDS", 2)
    monkeypatch.setattr(validation, "RATE", 50.0)
    monkeypatch.setattr(validation, "EVENTS", 50)
    monkeypatch.setattr(validation, "BESIDE", (20.0, 20.0))


class Heard:
    """Remembers what it was told; see `Telling`."""

    def __init__(self, screen):
        self.screen, self.stop, self.warnings, self.runs = screen, screen.stop, [], []
        self.live, self.counting = screen.live, screen.counting

    def warn(self, text):
        self.warnings.append(text)

    def done(self, run):
        self.runs.append(run)


def validate(shop, length: float = 1.0) -> Heard:
    heard = Heard(Screen(Event(), quiet=True))
    project = shop.open()
    runs = validation.validate(project, heard, length)
    project.close()
    assert runs == heard.runs
    return heard


def test_every_part_of_the_validation_is_run_and_kept(shop):
    shop.write(API, API_TOML)
    heard = validate(shop)
    assert [run.kind for run in heard.runs] == ["api", "events", "compare", "soak"]
    assert heard.warnings == []
    kept = sorted(path.stem for path in (shop.path / ".workerkit" / "runs").glob("*.json"))
    assert sorted(run.id for run in heard.runs) == kept


def test_a_project_without_an_api_is_told_what_was_left_out(shop):
    heard = validate(shop)
    assert [run.kind for run in heard.runs] == ["events"]
    assert len(heard.warnings) == 3
    assert all(text.startswith("left out: no service has an API") for text in heard.warnings)
