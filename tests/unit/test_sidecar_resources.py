"""Dapr's YAML files become components, policies and subscriptions; the rest is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from workerkit.errors import ConfigurationError
from workerkit.sidecar import Place, Policy, Resources, read_resources
from workerkit.transports.memory import MemoryTransport

pytest.importorskip("yaml", reason="needs the extra dapr")

SHOP = Path(__file__).parents[2] / "examples" / "shop" / "deploy" / "dapr"

PUBSUB = """
kind: Component
metadata: {{ name: {name} }}
spec:
  type: {type}
  metadata:
    - {{ name: redisHost, value: "redis:6379" }}
    - {{ name: redisPassword, value: "a/b" }}
    - {{ name: processingTimeout, value: "{timeout}" }}
    - {{ name: queueDepth, value: "100" }}
"""

SUBSCRIPTION = """
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: { name: stock }
spec:
  pubsubname: pubsub
  topic: stock
  routes:
    rules: [{ match: 'event.type == "made"', path: /made }]
    default: /rest
  deadLetterTopic: stock.dead
  bulkSubscribe: { enabled: true, maxMessagesCount: 50, maxAwaitDurationMs: 40 }
scopes: [pricing]
"""

POLICY = """
kind: Resiliency
spec:
  policies:
    retries: {{ again: {{ {retry} }} }}
    timeouts: {{ soon: {timeout} }}
  targets: {{ components: {{ pubsub: {{ inbound: {{ retry: again, timeout: soon }} }} }} }}
"""


@pytest.fixture
def read(tmp_path):
    """Reads files of these texts, for the app pricing."""
    opened: list[tuple[str, float]] = []

    def open_transport(url: str, lease: float) -> MemoryTransport:
        opened.append((url, lease))
        return MemoryTransport(lease)

    def read(*texts: str, local: MemoryTransport | None = None) -> Resources:
        for number, text in enumerate(texts):
            (tmp_path / f"{number}.yaml").write_text(text)
        return read_resources(tmp_path, "pricing", ["pricing"], Place(open_transport, local))

    read.opened = opened
    return read


def test_a_redis_component_is_opened_where_it_says_with_its_timeout_as_lease(read):
    found = read(PUBSUB.format(name="events", type="pubsub.redis", timeout=45000))
    assert read.opened == [("redis://:a%2Fb@redis:6379/0", 45.0)]
    (pubsub,) = found.pubsubs
    assert (pubsub.name, pubsub.lease, pubsub.owned) == ("events", 45.0, True)
    assert [note.partition(": ")[2] for note in found.notes] == [
        "component events: ignores queueDepth"
    ]


def test_on_the_projects_transport_no_server_is_opened(read):
    local = MemoryTransport()
    found = read(PUBSUB.format(name="events", type="pubsub.redis", timeout=1), local=local)
    assert (found.pubsubs[0].transport, read.opened, found.notes) == (local, [], [])


def test_what_is_not_supported_is_left_out_and_told_with_its_place(read):
    found = read(
        PUBSUB.format(name="events", type="pubsub.kafka", timeout=1),
        "kind: Configuration\nmetadata: { name: tracing }\n",
    )
    assert (found.pubsubs, read.opened) == ([], [])
    kafka, configuration = found.notes
    assert kafka.endswith("0.yaml:2: component events of type pubsub.kafka is not supported")
    assert configuration.endswith("1.yaml:1: Configuration is not supported")


def test_a_subscription_holds_for_the_apps_in_its_scope(read):
    (declared,) = read(SUBSCRIPTION).subscriptions
    assert (declared.pubsub, declared.topic, declared.dead_letter) == (
        "pubsub", "stock", "stock.dead",
    )  # fmt: skip
    assert (declared.bulk.size, declared.bulk.fill) == (50, 0.04)
    assert [declared.path({"type": kind}) for kind in ("made", "other")] == ["/made", "/rest"]
    assert read(SUBSCRIPTION.replace("[pricing]", "[catalog]")).subscriptions == []


def test_an_old_subscription_has_one_route(read):
    text = "kind: Subscription\nspec: { pubsubname: pubsub, topic: stock, route: /all }\n"
    (declared,) = read(text).subscriptions
    assert declared.path({}) == "/all"


@pytest.mark.parametrize(
    ("retry", "timeout", "policy"),
    [
        ("policy: constant, duration: 1m30s, maxRetries: 3", "250ms",
         Policy(3, 90.0, 1.0, 90.0, 0.25)),
        ("policy: exponential, maxInterval: 15s", "60s", Policy(None, 0.5, 1.5, 15.0, 60.0)),
        ("maxRetries: -1", "1h", Policy(None, 5.0, 1.0, 5.0, 3600.0)),
    ],
)  # fmt: skip
def test_an_inbound_policy_is_the_components(read, retry, timeout, policy):
    component = PUBSUB.format(name="pubsub", type="pubsub.redis", timeout=1)
    found = read(component, POLICY.format(retry=retry, timeout=timeout))
    assert found.pubsubs[0].policy == policy


TARGET = """
kind: Resiliency
spec:
  targets: { components: { pubsub: { inbound: { retry: %s, timeout: %s, circuitBreaker: %s } } } }
"""


def test_a_policy_of_another_file_is_the_components_too(read):
    component = PUBSUB.format(name="pubsub", type="pubsub.in-memory", timeout=1)
    policies = POLICY.format(retry="maxRetries: 3", timeout="2s").partition("  targets")[0]
    found = read(component, TARGET % ("again", "soon", '""'), policies)
    assert (found.pubsubs[0].policy, found.notes) == (Policy(3, 5.0, 1.0, 5.0, 2.0), [])


def test_a_policy_that_is_nowhere_counts_as_none_and_is_told_with_its_place(read):
    component = PUBSUB.format(name="pubsub", type="pubsub.in-memory", timeout=1)
    policies = POLICY.format(retry="maxRetries: 3", timeout="2s").partition("  targets")[0]
    found = read(component, policies, TARGET % ("agian", "later", "trip"))
    assert found.pubsubs[0].policy == Policy(most=0, timeout=None)
    assert found.pubsubs[0].wait(1) is None
    assert [note.partition("2.yaml:")[2] for note in found.notes] == [
        "4: pubsub: no retry 'agian'; did you mean 'again'? There is: again. "
        "So a failed event is given up on at once",
        "4: pubsub: no timeout 'later'. There is: soon. So the app may take for ever",
        "4: pubsub: no circuitBreaker 'trip'. There is none. So daprd panics on it",
    ]


def test_a_circuit_breaker_is_told_to_be_left_out(read):
    breakers = "kind: Resiliency\nspec: { policies: { circuitBreakers: { trip: {} } } }\n"
    (note,) = read(breakers, TARGET % ('""', '""', "trip")).notes
    assert note.endswith("1.yaml:4: pubsub: a circuitBreaker is not supported")


def test_waits_grow_up_to_the_cap_and_end_with_the_retries():
    policy = Policy(most=4, first=0.5, factor=2.0, cap=1.5)
    assert [policy.wait(failures) for failures in range(1, 6)] == [0.5, 1.0, 1.5, 1.5, None]


def test_the_shops_files_need_nothing_that_is_not_supported(read):
    found = read_resources(SHOP, "pricing", ["pricing"], Place(read, MemoryTransport()))
    assert found.notes == []
    assert [each.name for each in found.pubsubs] == ["pubsub"]
    assert [each.name for each in found.stores] == ["statestore"]
    assert found.pubsubs[0].policy == Policy(None, 0.5, 1.5, 60.0, 60.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SUBSCRIPTION.replace("  topic: stock\n", ""), "0.yaml:6: topic: Field required"),
        (SUBSCRIPTION.replace("event.type ==", "size(event) >"), "is not supported"),
        (PUBSUB.format(name="x", type="pubsub.redis", timeout=1).replace("redisHost", "host"),
         "0.yaml:2: x has no redisHost"),
        (PUBSUB.format(name="x", type="pubsub.redis", timeout=1).replace(
            'value: "a/b"', "secretKeyRef: { name: a, key: b }"), "reference to a secret"),
        (POLICY.format(retry="duration: soon", timeout="1s"), "'soon' is no duration like 60s"),
        (POLICY.format(retry="maxRetries: many", timeout="1s"), "maxRetries is 'many'"),
        (POLICY.format(retry="maxRetries: --5", timeout="1s"), "maxRetries is '--5'"),
        ("kind: Subscription\nspec: [a]\n", "pubsubname: Field required"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_told_with_its_place(read, text, said):
    with pytest.raises(ConfigurationError) as refused:
        read(text)
    assert said in str(refused.value)
    assert "0.yaml:" in str(refused.value)
