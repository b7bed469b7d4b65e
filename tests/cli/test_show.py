from __future__ import annotations

import io
import sys

import pytest

from workerkit.cli import show
from workerkit.cli.show import Column

COLUMNS = [Column("id"), Column("state", word=True), Column("count", number=True),
           Column("error", cut=True)]  # fmt: skip
ROWS = [("3f2a91bc-0000-4000-8000-000000000001", "dead", 12, "ValueError: " + "long " * 30)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def printed(monkeypatch):
    """What is printed on a terminal of 80 columns."""

    def printed(show_it) -> str:
        stream = Terminal()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stream)
            patched.setenv("COLUMNS", "80")
            patched.setenv("TERM", "xterm-256color")
            show_it()
        return stream.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    return printed


def test_a_table_fits_80_columns_and_only_cuts_what_may_be_cut(printed, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    lines = printed(lambda: show.table(COLUMNS, ROWS)).splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["id", "state", "count"], ["3f2a91bc-0000-4000-8000-000000000001", "dead", "12"]
    ]  # fmt: skip
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].rstrip().endswith("…")


def test_what_must_stay_whole_may_be_wider_than_the_terminal(printed):
    out = printed(lambda: show.table([Column("id"), Column("n", number=True)], [("x" * 90, 7)]))
    assert "x" * 90 + "  7" in out


def test_a_terminal_has_colours_and_no_color_takes_them_away(printed, monkeypatch):
    assert "\x1b[31mdead" in printed(lambda: show.table(COLUMNS, ROWS))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in printed(lambda: show.table(COLUMNS, ROWS))


def test_a_pipe_gets_whole_lines_without_colour(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    show.table(COLUMNS, ROWS)
    out = capsys.readouterr().out
    assert "long long" in out.splitlines()[1]
    assert "…" not in out
    assert "\x1b[" not in out
    assert all(line == line.rstrip() for line in out.splitlines())


def test_lines_are_cut_on_a_terminal_and_whole_in_a_pipe(printed, capsys, monkeypatch):
    assert printed(lambda: show.lines(["x" * 200])) == "x" * 79 + "…\n"
    monkeypatch.delenv("COLUMNS", raising=False)
    show.lines(["x" * 200])
    assert capsys.readouterr().out == "x" * 200 + "\n"


def test_markup_in_data_is_text(capsys):
    show.note("[bold]7[/bold] [/]")
    assert capsys.readouterr().out == "[bold]7[/bold] [/]\n"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0214, "0.021 s"), (42, "42 s"), (600, "10 min"), (7200, "2 h"), (400_000, "5 d")],
)
def test_durations_are_for_people(seconds, said):
    assert show.duration(seconds) == said


def test_progress_is_silent_in_a_pipe(capsys):
    with show.progress("publishing", 3) as update:
        update(1)
    assert capsys.readouterr().err == ""


def test_progress_comes_on_a_terminal_after_a_while(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with show.progress("publishing", 3) as update:
        update(1)
    assert stream.getvalue() == ""
    monkeypatch.setattr(show, "PATIENCE", -1.0)
    with show.progress("publishing", 3) as update:
        update(1)
    assert "publishing" in stream.getvalue()
