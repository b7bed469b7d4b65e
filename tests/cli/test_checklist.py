"""`checklist`, `progress` and `architecture` on a small project of which little is done."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from workerkit.acceptance.checklist import TOTAL
from workerkit.acceptance.items import PERSONAL
from workerkit.cli.app import app


def test_what_is_open_is_shown_with_its_way_out(shop):
    answer = shop.call("checklist")
    assert answer.code == 0, answer.err
    assert re.search(r"^Day 1: event worker +█+░+ +\d+/\d+ +\d+%$", answer.out, re.M)
    assert re.search(rf"^Total .* \d+/{TOTAL} ", answer.out, re.M)
    assert re.search(
        r"^open +day1.once .*\n +-> workerkit chaos duplicate-events$", answer.out, re.M
    )
    assert "day1.wired" not in answer.out
    assert "ok    day1.wired" in shop.call("checklist", "--all").out


def test_json_has_every_item_and_the_code_that_a_requirement_asks_for(shop):
    told = shop.call("checklist", "--json", "--require", "day1")
    assert (told.code, told.json["exit_code"]) == (5, 5)
    days = told.json["checklist"]["days"]
    assert [day["id"] for day in days] == ["day1", "day2", "day3", "day4", "day5", "success"]
    items = {item["id"]: item for day in days for item in day["items"]}
    assert items["day1.events"]["state"] == "done"
    assert items["day1.letters"]["state"] == "done"
    assert items["day5.approved"] | {"fact": ""} == {
        "id": "day5.approved", "title": "The team has approved", "state": "person", "fact": "",
        "way_out": "workerkit checklist tick day5.approved --by NAME",
    }  # fmt: skip
    assert shop.call("checklist", "--require", "day9").code == 2


def test_the_readme_knows_how_many_items_there_are():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    assert f"each of {TOTAL} items" in text
    assert len(PERSONAL) == 4 and "Four items are for people" in text


def test_every_way_out_that_is_a_command_of_ours_is_one(shop):
    told = shop.call("checklist", "--json").json["checklist"]["days"]
    ways = {item["way_out"] for day in told for item in day["items"]}
    ours = [way.split()[1:] for way in ways if way.startswith("workerkit ")]
    assert len(ours) > 15
    for words in ours:
        command = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands") or words == [], words
        options = {name for param in command.params for name in param.opts}
        assert {word for word in words if word.startswith("-")} <= options


def test_a_project_that_cannot_be_wired_has_a_checklist_all_the_same(shop):
    shop.write(code="raise RuntimeError('broken')\n")
    told = shop.call("checklist", "--json")
    items = {i["id"]: i for day in told.json["checklist"]["days"] for i in day["items"]}
    assert "RuntimeError: broken" in items["day1.wired"]["fact"]
    assert items["day1.settled"]["state"] == "open"


def test_it_is_written_down_for_a_project_and_for_a_day(shop):
    answer = shop.call("checklist", "--markdown")
    assert answer.out.splitlines()[-1] == "written: docs/progress/checklist.md"
    assert "## Day 4: proof" in (shop.path / "docs/progress/checklist.md").read_text()
    answer = shop.call("progress", "new")
    assert re.fullmatch(r"written: docs/progress/\d{4}-\d\d-\d\d.md\n", answer.out)
    again = shop.call("progress", "new")
    assert again.code == 2 and "is there already: edit it" in again.err


def test_an_item_is_ticked_by_name(shop):
    answer = shop.call("checklist", "tick", "day5.approved", "--by", "Ana Silva")
    assert re.search(r"day5.approved: Ana Silva, \d{4}-\d\d-\d\d; commit docs/progress", answer.out)
    assert "ok    day5.approved" in shop.call("checklist", "--all").out
    refused = shop.call("checklist", "tick", "day1.wired", "--by", "Ana")
    assert refused.code == 2 and "is not for people to tick" in refused.err
    for wrong in (("tick", "day5.told"), ("tick", "--by", "Ana"), ("tock", "a", "--by", "Ana")):
        assert "checklist tick ITEM --by NAME" in shop.call("checklist", *wrong).err
    (shop.path / "docs/progress/ticks.json").write_text("[3]")
    assert shop.call("checklist").code == 2


def test_a_drawing_follows_the_code_and_leaves_what_people_wrote(shop):
    assert shop.call("architecture", "--check").code == 5
    assert shop.call("architecture").code == 0
    document = shop.path / "docs" / "ARCHITECTURE.md"
    drawn = document.read_text()
    assert drawn.startswith("# test: architecture\n\n## Processes\n")
    assert "shop__order --> orders_booked" in drawn
    assert "orders --> shop__order" in drawn
    assert "| `orders.booked` | shop order | nobody here |" in drawn
    assert shop.call("architecture", "--check").code == 0

    document.write_text(drawn.replace("## Topics", "Mine.\n\n## Our topics"))
    toml = (shop.path / "workerkit.toml").read_text()
    (shop.path / "workerkit.toml").write_text(toml.replace(f"events = {shop.port}", "events = 9"))
    answer = shop.call("architecture", "--check")
    assert (answer.code, answer.out) == (5, "not what the code says: processes\n")
    assert shop.call("architecture").code == 0
    again = document.read_text()
    assert "| shop events | 9 | order |" in again
    assert "Mine.\n\n## Our topics" in again
    assert again.count("<!-- generated:") == 4


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("<!-- generated: other -->\n<!-- end -->\n", 2, "no generated part 'other'"),
        (None, 3, "cannot write"),
    ],
)
def test_a_document_that_cannot_be_drawn_is_told(shop, text, code, said):
    (shop.path / "docs").mkdir()
    if text is None:
        (shop.path / "docs").rmdir()
        (shop.path / "docs").write_text("")
    else:
        (shop.path / "docs" / "ARCHITECTURE.md").write_text(text)
    answer = shop.call("architecture")
    assert answer.code == code and said in answer.err
