"""Somebody who knows nothing but the runbook is woken by an alert, and brings the worker back."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest
import yaml

from tests.documents import typed
from tests.ports import free_port
from tests.started import Place
from tests.waiting import until

HANGS = """
        import time
        from pathlib import Path

        while Path("away").exists():
            time.sleep(0.05)
"""


@pytest.fixture
def place(tmp_path) -> Iterator[Place]:
    """A new project, whose handler waits for a service that is away."""
    (tmp_path / "desk").mkdir()
    desk = Place(tmp_path / "desk")
    assert desk.call("new", "acme", "--service", "orders", "--topic", "order.placed")[0] == 0
    acme = Place(tmp_path / "desk" / "acme")
    worker = acme.folder / "orders/worker/event/order_placed.py"
    said = 'the transaction that also settles the event."""\n'
    assert said in worker.read_text()
    worker.write_text(worker.read_text().replace(said, said + HANGS))
    toml = acme.folder / "workerkit.toml"
    toml.write_text(re.sub(r"\b800[123]\b", lambda found: str(free_port()), toml.read_text()))
    acme.write("away", "")
    yield acme
    acme.close()
    desk.close()


def section(place: Place, alert: str) -> list[str]:
    """What the alert's `runbook_url` leads to: its commands, in the order in which they stand."""
    rules = yaml.safe_load((place.folder / "deploy/monitoring/rules.yml").read_text())
    (rule,) = (r for g in rules["groups"] for r in g["rules"] if r.get("alert") == alert)
    file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    text = (place.folder / file).read_text()
    (body,) = (part for part in re.split(r"^## ", text, flags=re.M)
               if part.partition("\n")[0].lower() == anchor)  # fmt: skip
    return typed(body)


def test_a_worker_that_does_not_consume_is_brought_back_by_the_runbook_alone(place):
    lease = {"WORKER_LEASE": "2"}
    place.start("run", "orders", "--mode=events", **lease).says("running on port")
    for number in range(3):
        place.call("publish", "order.placed", "--data", f'{{"id": "{number}"}}')
    until(lambda: "order_placed.py" in place.call("status")[1])

    status, lag, kill, run, again = section(place, "WorkerNotConsuming")
    _, said = place.call(*status.split()[1:])
    assert re.search(r"orders events is at .*order_placed\.py:\d+ in handle", said), said
    (pid,) = re.findall(r"^orders +events +running +\d+ +(\d+)", said, re.M)
    assert waiting(place, lag) == 3

    assert kill == "kill -9 PID"
    os.kill(int(pid), signal.SIGKILL)
    (place.folder / "away").unlink()  # the service that the line waited for
    assert run == "workerkit run orders --mode=events"
    place.start(*run.split()[1:], **lease).says("running on port")
    until(lambda: waiting(place, again) == 0)
    assert re.search(r"^order-placed .* running +0 +3 +0 ", place.call("status")[1], re.M)


def waiting(place: Place, command: str) -> int:
    _, said = place.call(*command.split()[1:])
    (lag,) = re.findall(r"^order\.placed +orders +(\d+)", said, re.M)
    return int(lag)
