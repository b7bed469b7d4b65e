"""The doctor finds each hazard in Dapr's YAML, says where, and leaves good files alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workerkit.operate.doctor_dapr import check_dapr

SHOP = Path(__file__).parents[2] / "examples" / "shop" / "deploy" / "dapr"

SUBSCRIPTION = """\
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata:
  name: stock
spec:
  pubsubname: pubsub
  topic: warehouse.stock.updated
  routes:
    default: /events
  deadLetterTopic: warehouse.stock.updated.dead
  bulkSubscribe:
    enabled: true
    maxMessagesCount: 100
"""

CRON = """
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: nightly
spec:
  type: bindings.cron
  version: v1
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """The shop's files and a subscription."""
    shutil.copytree(SHOP, tmp_path / "dapr")
    (tmp_path / "dapr" / "subscription.yaml").write_text(SUBSCRIPTION)
    return tmp_path / "dapr"


def test_good_files_have_nothing_but_ok(folder):
    (check,) = check_dapr(folder)
    assert (check.level, check.fact) == ("ok", "4 resources, no hazard")


BROKEN = {
    "retries that end": (
        "resiliency.yaml", "maxRetries: -1", "maxRetries: 3", "retries", "after 3 retries",
    ),
    "no retries at all": (
        "resiliency.yaml", "          retry: until-it-works\n", "", "retries", "no retry policy",
    ),
    "a retry policy that is nowhere": (
        "resiliency.yaml", "retry: until-it-works", "retry: for-ever", "retries",
        "no retry policy 'for-ever'. There is: until-it-works: a failed or unreachable app's",
    ),
    "no timeout": (
        "resiliency.yaml", "          timeout: handler\n", "", "timeout",
        "inbound has no timeout policy: ten unanswered",
    ),
    "a timeout that is nowhere": (
        "resiliency.yaml", "timeout: handler", "timeout: handlers", "timeout",
        "no timeout policy 'handlers'; did you mean 'handler'? There is: handler: ten unanswered",
    ),
    "a circuit breaker that is nowhere": (
        "resiliency.yaml", "timeout: handler", "timeout: handler\n          circuitBreaker: cb",
        "circuit breaker", "no circuitBreaker policy 'cb'. There is none: daprd panics on it",
    ),
    "a policy for another component": (
        "resiliency.yaml", "      pubsub:\n", "      messages:\n", "resiliency",
        "messages is no component here",
    ),
    "a duration with a unit": (
        "pubsub.yaml", 'value: "15000"', 'value: "1s"', "durations",
        "redeliverInterval '1s' is ignored, 15 s is used",
    ),
    "no redelivery": (
        "pubsub.yaml", 'value: "60000"', 'value: "0"', "durations", "processingTimeout is 0",
    ),
    "few workers": (
        "pubsub.yaml", 'value: "100"', 'value: "10"', "concurrency", "concurrency is 10",
    ),
    "entries that stay": (
        "pubsub.yaml", "maxLenApprox", "other", "trimming", "stay in Redis for ever",
    ),
    "one group for all": (
        "pubsub.yaml", "name: redisHost", "name: consumerID", "group", "consumerID is the group",
    ),
    "a cron binding": (
        "statestore.yaml", "value: redis:6379\n", f"value: redis:6379\n{CRON}", "cron",
        "fires on every replica",
    ),
    "no dead letters": (
        "subscription.yaml", "  deadLetterTopic: warehouse.stock.updated.dead\n", "",
        "dead letters", "has no deadLetterTopic",
    ),
    "dead letters in a circle": (
        "subscription.yaml", "updated.dead", "updated", "dead letters", "again, for ever",
    ),
    "events without ids": (
        "subscription.yaml", "  bulkSubscribe:", '  metadata:\n    rawPayload: "true"\n  x:',
        "raw", "events have no id",
    ),
    "a pubsub that is nowhere": (
        "subscription.yaml", "pubsubname: pubsub", "pubsubname: events", "subscription",
        "'events' is no component here",
    ),
    "a name that is there twice": (
        "statestore.yaml", "name: statestore", "name: pubsub", "names", "is also at",
    ),
}  # fmt: skip
"""File, what is written there, what is put in its place, the rule, and what it says."""


@pytest.mark.parametrize("case", BROKEN)
def test_each_hazard_is_found_with_its_file_and_line(folder, case):
    name, before, after, rule, fact = BROKEN[case]
    file = folder / name
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, after))
    found = [check for check in check_dapr(folder) if check.name == f"dapr: {rule}"]
    assert [check.level != "ok" and bool(check.way_out) for check in found] == [True]
    assert fact in found[0].fact
    assert found[0].fact.startswith(f"{file}:")


def test_the_line_is_that_of_the_value(folder):
    file = folder / "pubsub.yaml"
    file.write_text(file.read_text().replace('"15000"', '"1s"'))
    line = next(n for n, text in enumerate(file.read_text().split("\n"), 1) if '"1s"' in text)
    (check,) = check_dapr(folder)
    assert check.fact.startswith(f"{file}:{line}: ")


def test_a_component_without_any_resiliency_is_found(folder):
    (folder / "resiliency.yaml").unlink()
    (check,) = check_dapr(folder)
    assert (check.name, check.level) == ("dapr: retries", "fail")
    assert "no inbound retry: a failed or unreachable app's events" in check.fact


def test_what_is_no_yaml_is_said_with_its_line(folder):
    (folder / "pubsub.yaml").write_text("kind: Component\nspec: [\n")
    (check,) = check_dapr(folder)
    assert (check.level, "pubsub.yaml:3: no YAML" in check.fact) == ("fail", True)


def test_a_policy_of_another_file_is_one_too(folder):
    file = folder / "resiliency.yaml"
    policies, targets = file.read_text().split("  targets:\n")
    file.write_text(policies)
    head = "kind: Resiliency\nmetadata: { name: more }\nspec:\n  targets:\n"
    (folder / "targets.yaml").write_text(head + targets)
    (check,) = check_dapr(folder)
    assert (check.level, check.fact) == ("ok", "5 resources, no hazard")


def test_an_empty_folder_is_told(tmp_path):
    (check,) = check_dapr(tmp_path)
    assert (check.level, "has no YAML file" in check.fact) == ("warn", True)
