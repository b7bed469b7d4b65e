"""What `new` and `add` write about a project, and how its deployment is tried."""

from __future__ import annotations

import sys

from workerkit.config.project_file import read_project


def test_the_architecture_is_drawn_anew_with_what_was_added(desk, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    desk.make()
    answer = desk.call("add", "event-worker", "order.cancelled")
    assert "changed  docs/ARCHITECTURE.md" in answer.out
    drawn = desk.files()["acme/docs/ARCHITECTURE.md"]
    assert "| `order.cancelled` | others | orders/order-cancelled |" in drawn
    assert not (desk.project / ".workerkit").exists()
    assert not list(desk.project.rglob("__pycache__"))
    assert not sys.dont_write_bytecode
    assert desk.call("architecture", "--check").code == 0


def test_code_that_cannot_be_loaded_is_extended_and_its_drawing_stays(desk):
    desk.make()
    desk.change("orders/models.py", "class Base", "raise ValueError('no')\n\n\nclass Base")
    before = desk.files()["acme/docs/ARCHITECTURE.md"]
    answer = desk.call("add", "cron-job", "nightly")
    assert (answer.code, desk.files()["acme/docs/ARCHITECTURE.md"]) == (0, before)
    note = answer.out.splitlines()[-1]
    assert note.startswith("docs/ARCHITECTURE.md is as it was: orders/models.py:11: ValueError"), (
        note
    )
    assert note.endswith("then `workerkit architecture`")


def test_a_drawing_that_was_deleted_stays_so(desk):
    desk.make()
    (desk.project / "docs/ARCHITECTURE.md").unlink()
    assert desk.call("add", "cron-job", "nightly").code == 0
    assert not (desk.project / "docs/ARCHITECTURE.md").exists()


def test_a_deployment_is_tried_with_an_event_for_the_first_worker_that_was_made(desk):
    desk.make("--services", "orders,billing")
    assert "[smoke]" not in (desk.project / "workerkit.toml").read_text()
    for topic in ("invoice.sent", "invoice.paid"):
        assert desk.call("add", "event-worker", topic, "--service", "billing").code == 0
    smoke = read_project(desk.project).smoke
    assert (smoke.send.to, smoke.send.path) == ("sidecar", "/v1.0/publish/pubsub/invoice.sent")
    assert (smoke.see.at, smoke.see.path) == ("billing api", "/entries/invoice.sent/smoke")
