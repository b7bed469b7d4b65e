"""`workerkit add` in a project whose deploy files somebody has changed elsewhere."""

from __future__ import annotations

import pytest
import yaml

from workerkit.config.answers import Answers, EventAnswers, ServiceAnswers, read_answers
from workerkit.scaffold.templates import render

BASE = "deploy/k8s/base"

GROWTH = (
    ("service", "billing"),
    ("event-worker", "order.placed", "--service", "order_items"),
    ("event-worker", "order.cancelled", "--service", "order_items"),
    ("cron-job", "nightly", "--service", "order_items"),
    ("event-worker", "order.placed", "--service", "billing"),
    ("cron-job", "nightly", "--service", "billing"),
)

EDITS = {
    "docker-compose.yml": [
        ("redis:7-alpine", "redis:8-alpine"),
        ("WORKER_MODE: ${API_MODE:-api}\n", "WORKER_MODE: ${API_MODE:-api}\n      A: b\n"),
    ],
    f"{BASE}/order_items.yaml": [
        ("  replicas: 2\n", "  replicas: 4\n"),
        ("            - name: WORKER_MODE\n", "            - { name: A, value: b }\n"
         "            - name: WORKER_MODE\n"),
    ],
    f"{BASE}/kustomization.yaml": [("resources:\n", "resources:\n  - ingress.yaml\n")],
    "deploy/k8s/overlays/production/kustomization.yaml": [
        ("registry.example", "images.acme.example"), ("newTag: 0.1.0", "newTag: 1.7.2"),
        ("count: 3", "count: 5"),
    ],
    "deploy/k8s/overlays/staging/kustomization.yaml": [("newTag: 0.1.0", "newTag: main")],
    "deploy/k8s/components/dapr/kustomization.yaml": [
        ("  - statestore.yaml\n", "  - statestore.yaml\n  - secrets.yaml\n"),
    ],
    "deploy/dapr/pubsub.yaml": [('"1000000"', '"5000000"')],
}  # fmt: skip
"""What a person has changed, by file."""


@pytest.fixture
def edited(desk):
    desk.make("--service", "order_items")
    for path, changes in EDITS.items():
        for before, after in changes:
            desk.change(path, before, after)
    return desk


def test_what_is_added_and_what_was_changed_are_both_in_the_files(edited):
    first = render(read_answers(edited.project))
    for arguments in GROWTH:
        answer = edited.call("add", *arguments)
        assert (answer.code, "where the new part belongs" in answer.out) == (0, False)
    rendered = render(read_answers(edited.project))
    for path, changes in EDITS.items():
        text = (edited.project / path).read_text()
        assert (path == "deploy/dapr/pubsub.yaml") == (first[path] == rendered[path])
        for before, after in changes:
            assert after in text
            text = text.replace(after, before)
        assert text == rendered[path]
    unchanged = {path for path in rendered if path.startswith("deploy/")} - EDITS.keys()
    assert {path: (edited.project / path).read_text() for path in unchanged} == {
        path: rendered[path] for path in unchanged
    }


def test_each_topic_has_a_trigger_and_a_project_without_any_no_scaling():
    topics = {"order_items": ["order.placed", "1.0"], "billing": ["order.placed"], "stock": []}
    services = [
        ServiceAnswers(
            name=name, port=8001,
            events=tuple(EventAnswers(topic=each, module=f"on_{n}") for n, each in enumerate(some)),
        )
        for name, some in topics.items()
    ]  # fmt: skip
    files = render(Answers(templates=1, name="acme", services=tuple(services)))
    scaled = {
        document["metadata"]["name"]: [each["metadata"] for each in document["spec"]["triggers"]]
        for document in yaml.safe_load_all(files[f"{BASE}/scaling.yaml"])
        if document["kind"] == "ScaledObject"
    }
    found = {
        name: [(told["consumerGroup"], told["stream"]) for told in triggers]
        for name, triggers in scaled.items()
    }
    assert found == {
        "order-items-event-worker": [("order_items", "order.placed"), ("order_items", "1.0")],
        "billing-event-worker": [("billing", "order.placed")],
    }
    without = render(Answers(templates=1, name="acme", services=tuple(services[2:])))
    assert [path for path in files.keys() - without.keys() if "scaling" in path or "fewer" in path]
    assert "ScaledObject" not in "".join(without.values())
