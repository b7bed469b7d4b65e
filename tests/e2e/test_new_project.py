"""From an empty folder to an applied event, as a new user goes: no file is edited by hand."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shops import free_port
from tests.started import Place, ask, environment


@pytest.fixture
def place(tmp_path):
    (tmp_path / "desk").mkdir()
    opened = Place(tmp_path / "desk")
    yield opened
    opened.close()


def on_free_ports(toml: Path) -> dict[str, int]:
    """Give every process another port, as others may run on the usual ones; by name."""
    ports: dict[str, int] = {}

    def free(found: re.Match[str]) -> str:
        ports[found[1]] = free_port()
        return f"{found[1]} = {ports[found[1]]}"

    toml.write_text(re.sub(r"(\w+) = \d+", free, toml.read_text()))
    return ports


def test_a_new_project_runs_grows_and_passes_its_tests_without_an_edit(place):
    flags = ("--service", "orders", "--topic", "order.placed", "--cron", "*/10 * * * *")
    assert place.call("new", "acme", *flags)[0] == 0
    acme = place.folder / "acme"
    ports = on_free_ports(acme / "workerkit.toml")
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
    entries = {entry["writer"]: entry for entry in ask(ports["api"], "/entries")}
    assert sorted(entries) == ["nightly", "order.cancelled", "order.placed"]
    assert entries["order.placed"]["key"] == "order.placed-7"
    assert entries["nightly"]["note"] == "2 entries"
    assert dev.signal(signal.SIGINT) == 130

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=acme, env=environment({}),
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout
