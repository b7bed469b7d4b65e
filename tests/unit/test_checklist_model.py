"""Days and their bars, what a requirement asks for, and how it is written down."""

from __future__ import annotations

import orjson
import pytest

from workerkit.errors import ConfigurationError, Unreachable
from workerkit.operate.checklist import Checklist, Day, Item, State
from workerkit.operate.progress import write_checklist, write_day
from workerkit.operate.ticks import FILE, Tick, read_ticks, tick

NOON = 1_795_608_000.0


def day(id: str, *states: State) -> Day:
    items = [Item(f"{id}.{n}", f"Item {n}", state, "a fact", "a command")
             for n, state in enumerate(states)]  # fmt: skip
    return Day(id, id.capitalize(), tuple(items))


def found(*days: Day) -> Checklist:
    return Checklist("shop", NOON, days)


@pytest.mark.parametrize(
    ("done", "total", "bar"),
    [(0, 10, "░░░░"), (1, 100, "█░░░"), (50, 100, "██░░"), (99, 100, "███░"), (10, 10, "████"),
     (0, 0, "████"), (1, 1, "████")],
)  # fmt: skip
def test_a_bar_is_full_and_empty_only_when_it_is_true(done, total, bar):
    states: list[State] = ["done"] * done + ["open"] * (total - done)
    assert day("day1", *states).bar(4) == bar


@pytest.mark.parametrize(
    ("days", "required", "code"),
    [
        ((day("day1", "open"),), "", 0),
        ((day("day1", "done"), day("day2", "open")), "day1", 0),
        ((day("day1", "open"), day("day2", "done")), "day2", 5),
        ((day("day1", "unseen", "done"),), "day1", 6),
        ((day("day1", "person"),), "day1", 6),
        ((day("day1", "person"), day("day2", "open")), "day2", 5),
        ((day("day1", "done", "done"),), "day1", 0),
    ],
)
def test_what_is_required_is_that_day_and_all_before(days, required, code):
    assert found(*days).exit_code(required) == code


def test_a_document_has_boxes_facts_and_ways_out(tmp_path):
    path = write_checklist(tmp_path, found(day("day1", "done", "open", "unseen", "person")))
    assert path == tmp_path / "docs" / "progress" / "checklist.md"
    text = path.read_text()
    assert "| Day1 | `██░░░░░░░░` | 1/4 | 25% |" in text
    assert "- [x] Item 0 (a fact) <!-- day1.0 -->" in text
    assert "- [ ] Item 1 (a fact) <!-- day1.1 -->\n  - `a command`" in text
    assert "- [ ] Item 2 (cannot be told here: a fact)" in text
    assert "- [ ] Item 3 (for a person: a fact)" in text
    write_checklist(tmp_path, found(day("day1", "done")))
    assert "Item 1" not in path.read_text()


def test_a_page_of_a_day_names_what_comes_next_and_is_never_written_over(tmp_path):
    states: list[State] = ["done", *["open"] * 10]
    path = write_day(tmp_path, found(day("day1", *states)))
    assert path.parent == tmp_path / "docs" / "progress"
    text = path.read_text()
    assert text.startswith(f"# {path.stem}\n") and len(path.stem) == 10
    assert text.count("`day1.") == 8 and "and 2 more: `workerkit checklist`" in text
    for heading in ("Settled today", "Under way", "In the way", "Worth remembering", "Tomorrow"):
        assert f"## {heading}\n" in text
    path.write_text("mine")
    with pytest.raises(ConfigurationError, match="is there already: edit it"):
        write_day(tmp_path, found(day("day1", "done")))
    assert path.read_text() == "mine"


def test_a_page_cannot_be_written_into_a_file(tmp_path):
    (tmp_path / "docs").write_text("")
    for write in (write_day, write_checklist):
        with pytest.raises(Unreachable, match="cannot write"):
            write(tmp_path, found())
    with pytest.raises(Unreachable, match=r"cannot write .*docs/progress/ticks\.json"):
        tick(tmp_path, "a", "Ana", ["a"])


def test_ticks_are_kept_beside_each_other(tmp_path):
    for item, by in (("b", "Ana"), ("a", " Bo "), ("b", "Cy")):
        tick(tmp_path, item, by, ["a", "b"])
    kept = read_ticks(tmp_path)
    assert {item: each.by for item, each in kept.items()} == {"a": "Bo", "b": "Cy"}
    assert isinstance(kept["a"], Tick) and len(kept["a"].on) == 10
    assert [each["item"] for each in orjson.loads((tmp_path / FILE).read_bytes())] == ["a", "b"]


@pytest.mark.parametrize(
    ("item", "by", "said"),
    [("c", "Ana", "'c' is not for people to tick; these are: a, b"), ("a", "  ", "--by"),
     ("a", "A\nna", "--by")],
)  # fmt: skip
def test_what_a_probe_settles_nobody_ticks(tmp_path, item, by, said):
    with pytest.raises(ConfigurationError, match=said):
        tick(tmp_path, item, by, ["a", "b"])
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"item": "a"}]'])
def test_a_broken_file_of_ticks_is_told(tmp_path, text):
    (tmp_path / FILE).parent.mkdir(parents=True)
    (tmp_path / FILE).write_text(text)
    if text == "{}":
        assert read_ticks(tmp_path) == {}
    else:
        with pytest.raises(ConfigurationError, match="no list of ticks"):
            read_ticks(tmp_path)
