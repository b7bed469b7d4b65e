"""From an empty folder to an applied event, as a new user goes: no file is edited by hand."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.documents import commands
from tests.ports import free_port, free_row
from tests.started import Place, ask, environment


@pytest.fixture
def place(tmp_path):
    (tmp_path / "desk").mkdir()
    opened = Place(tmp_path / "desk")
    yield opened
    opened.close()


def on_free_ports(project: Path) -> int:
    """Move every process to a free port, as others may run on the usual ones; the API's."""
    api = free_row(3)
    moved = {8001 + mode: api + mode for mode in range(3)} | {3500: free_port(), 50001: free_port()}
    for path in project.rglob("*"):
        if path.is_file():
            text = path.read_text()
            path.write_text(
                re.sub(r"\b(8001|8002|8003|3500|50001)\b", lambda m: str(moved[int(m[0])]), text)
            )
    return api


SETTLED_BY_TEMPLATES = {
    "day1.wired", "day1.entry", "day1.tested", "day2.jobs", "day2.scraped", "day5.readmes",
    "day5.overview", "day5.runbook", "day5.headings", "day5.architecture", "day5.plan",
    "day5.rules", "day5.dashboard", "day4.flow",
}  # fmt: skip
"""Items of the checklist for which nobody has to edit anything."""


def documents_hold(place: Place) -> None:
    """What was written about the project is so, as it stands and as it was extended."""
    book = (place.folder / "acme/docs/WORKERS_RUNBOOK.md").read_text()
    typed = commands(book)
    assert "workerkit run orders --mode=cron" in typed
    for command in typed:
        if command.split()[1] == "run":
            words = [*command.split()[1:], f"--port={free_port()}"]
            place.start(*words, below="acme").says("running on port").signal(signal.SIGTERM)
        else:
            code, said = place.call(*command.split()[1:], below="acme")
            assert code == 0, (command, said)
    place.call("deploy", "verify", below="acme")
    code, said = place.call("checklist", "--json", below="acme")
    days = orjson.loads(said)["checklist"]["days"]
    found = {item["id"]: (item["state"], item["fact"]) for day in days for item in day["items"]}
    assert {name: found[name] for name in SETTLED_BY_TEMPLATES if found[name][0] != "done"} == {}
    assert found["day5.window"][0] == found["day5.woken"][0] == "person"
    tested = "done" if shutil.which("promtool") else "unseen"
    assert found["day4.alerts"][0] == tested, found["day4.alerts"]


def test_a_new_project_runs_grows_and_passes_its_tests_without_an_edit(place):
    flags = ("--service", "orders", "--topic", "order.placed", "--cron", "*/10 * * * *")
    assert place.call("new", "acme", *flags)[0] == 0
    acme = place.folder / "acme"
    api = on_free_ports(acme)
    for added in (("event-worker", "order.cancelled"), ("cron-job", "nightly")):
        assert place.call("add", *added, below="acme")[0] == 0
    assert place.call("check", below="acme")[0] == 0
    dev = place.start("dev", below="acme").says("ready after")

    for topic in ("order.placed", "order.cancelled"):
        data = f'{{"id": "{topic}-7", "note": "hello"}}'
        code, said = place.call("publish", topic, "--data", data, "--wait", below="acme")
        assert (code, said.splitlines()[-1].split()[1]) == (0, "applied"), said
    code, said = place.call("cron", "trigger", "nightly", "--wait", below="acme")
    assert (code, "orders/nightly succeeded" in said) == (0, True), said
    entries = {entry["writer"]: entry for entry in ask(api, "/entries")}
    assert sorted(entries) == ["nightly", "order.cancelled", "order.placed"]
    assert entries["order.placed"]["key"] == "order.placed-7"
    assert entries["nightly"]["note"] == "2 entries"
    documents_hold(place)
    assert dev.signal(signal.SIGINT) == 130

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=acme, env=environment({}),
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout
