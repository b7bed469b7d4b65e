"""What is left of a chaos run that was killed, and who may remove it when."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from workerkit.chaos.left import KEPT, LOG_KEPT, OWNER, PREFIX, clean_up, own_folder
from workerkit.core.owner import this_process
from workerkit.errors import StartStopError


@pytest.fixture
def left(tmp_path, monkeypatch) -> Path:
    """The folder of a run whose process has ended; nothing else is in the machine's folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"{PREFIX}1"
    folder.mkdir()
    host, number, _ = this_process().split()
    (folder / OWNER).write_text(f"{host} {number} an earlier birth")
    return folder


def test_the_folder_of_a_run_that_was_killed_is_removed(left):
    assert clean_up() == [left]
    assert not left.exists()


def test_the_folder_of_a_run_that_goes_on_stays(left):
    (left / OWNER).write_text(this_process())
    assert clean_up() == []
    assert left.exists()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="its files belong to nobody")
def test_the_folder_of_another_user_stays(left, monkeypatch):
    owner = left.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    assert clean_up() == []
    assert left.exists()


def test_a_log_is_kept_for_a_day(left):
    kept = left / KEPT
    kept.touch()
    assert clean_up() == []
    os.utime(kept, (0.0, kept.stat().st_mtime - LOG_KEPT))
    assert clean_up() == [left]


def test_a_run_keeps_its_folder_only_when_a_process_did_not_start(left):
    with pytest.raises(ZeroDivisionError), own_folder() as broken:
        raise ZeroDivisionError
    with pytest.raises(StartStopError), own_folder() as not_started:
        raise StartStopError("no")
    assert not broken.exists()
    assert (not_started / OWNER).read_text() == this_process()
    assert clean_up() == [left]
