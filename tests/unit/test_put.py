"""A file that is put in place is there whole, or what was there before is."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workerkit.core.put import put, put_new
from workerkit.errors import ConfigurationError, Unreachable


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process may grow beyond *size* bytes: a write ends in its middle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_is_put_into_folders_that_are_made(tmp_path):
    path = tmp_path / "docs" / "progress" / "page.md"
    assert put(path, "größer") == path
    assert path.read_bytes() == "größer".encode()
    put(path, b"other")
    assert path.read_bytes() == b"other"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_there_keeps_its_mode(tmp_path):
    path = put(tmp_path / "run.sh", "before")
    path.chmod(0o750)
    put(path, "after")
    assert (path.stat().st_mode & 0o777, path.read_text()) == (0o750, "after")


def test_a_disk_that_is_full_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "kept.json"
    put(path, "before")
    with room_for(10), pytest.raises(Unreachable, match=r"cannot write .*kept\.json: \w"):
        put(path, "x" * 100)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_in_the_way_is_told_in_one_line(tmp_path):
    (tmp_path / "docs").write_text("a file")
    with pytest.raises(Unreachable, match=r"cannot write .*page\.md: (File exists|Not a dir)"):
        put(tmp_path / "docs" / "page.md", "")
    with pytest.raises(Unreachable, match="Is a directory"):
        put(tmp_path, "")
    assert [path.name for path in tmp_path.iterdir()] == ["docs"]
    assert not list(tmp_path.parent.glob(".*.part"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder here that root cannot write")
def test_a_folder_that_cannot_be_written_is_told_in_one_line():
    with pytest.raises(Unreachable, match="cannot write /proc/page: "):
        put(Path("/proc/page"), "")


def test_what_people_edit_is_put_once(tmp_path):
    path = put_new(tmp_path / "page.md", "ours")
    path.write_text("theirs")
    with pytest.raises(ConfigurationError, match="is there already: edit it"):
        put_new(path, "ours")
    assert path.read_text() == "theirs"
