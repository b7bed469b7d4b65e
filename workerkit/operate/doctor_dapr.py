"""What in a folder of Dapr's YAML files would lose, repeat or delay events on today's Dapr."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config.dapr_files import Document, Value, named_policies, read_documents
from ..core.loading import unknown
from ..errors import ConfigurationError
from .finding import Check, Level

BULK = 100
"""Messages of a bulk subscription; with fewer workers in a component they wait for each other."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What the folder defines, by kind."""

    documents: Sequence[Document]

    def components(self, prefix: str) -> list[Document]:
        """Components whose type begins with *prefix*."""
        return [d for d in self.documents if d.kind == "Component" and d.type.startswith(prefix)]

    def kind(self, name: str) -> list[Document]:
        """All resources of one kind."""
        return [document for document in self.documents if document.kind == name]


Rule = Callable[[Resources], Iterator[Check]]


def check_dapr(folder: Path) -> list[Check]:
    """Every hazard in *folder*, each with file, line, consequence and fix; one `ok` without any."""
    try:
        found = Resources(read_documents(folder))
    except ConfigurationError as error:
        return [Check("dapr", "fail", str(error), "correct it, or take it out of the folder")]
    if not found.documents:
        return [Check("dapr", "warn", f"{folder} has no YAML file", "name another folder")]
    checks = [check for rule in RULES for check in rule(found)]
    return checks or [Check("dapr", "ok", f"{len(found.documents)} resources, no hazard")]


def _retries(found: Resources) -> Iterator[Check]:
    """Since components-contrib 1.17 (#4208) what fails is acknowledged when retries run out."""
    for component in found.components("pubsub."):
        targets = [t for t in _targets(found) if t.component == component.name]
        lost = "a failed or unreachable app's events are acknowledged and lost"
        if not any(target.inbound for target in targets):
            way_out = (f"add a Resiliency whose targets.components.{component.name}.inbound has "
                       "a retry with maxRetries -1 and a timeout")  # fmt: skip
            yield _finding("retries", "fail", component, None, f"no inbound retry: {lost}", way_out)
        for target in targets:
            if target.inbound is not None:
                yield from _retry(found, target.document, target.inbound, lost)
                yield from _timeout(found, target.document, target.inbound)
                yield from _circuit_breaker(found, target.document, target.inbound)


def _retry(found: Resources, document: Document, inbound: Value, lost: str) -> Iterator[Check]:
    policies = named_policies(found.documents, "retry")
    named = policies.get(inbound.text("retry"))
    if named is None:
        fact = f"{_none('retry', inbound, policies)}: {lost}"
        yield _finding("retries", "fail", document, inbound, fact, "name one with maxRetries -1")
        return
    document, policy = named
    if policy.text("maxRetries") not in ("", "-1"):
        limit = policy.get("maxRetries")
        fact = f"after {policy.text('maxRetries')} retries {lost}"
        yield _finding("retries", "fail", document, limit, fact, "set maxRetries to -1")


def _timeout(found: Resources, document: Document, inbound: Value) -> Iterator[Check]:
    policies = named_policies(found.documents, "timeout")
    if inbound.text("timeout") not in policies:
        stall = "ten unanswered messages stall the component, all of its topics"
        fact = f"{_none('timeout', inbound, policies)}: {stall}"
        yield _finding("timeout", "fail", document, inbound, fact, "add a timeout, e.g. 60s")


def _circuit_breaker(found: Resources, document: Document, inbound: Value) -> Iterator[Check]:
    """Of a policy that is nowhere daprd takes the pointer as it is (pkg/resiliency, 1.18)."""
    policies = named_policies(found.documents, "circuitBreaker")
    if inbound.text("circuitBreaker") not in ("", *policies):
        fact = f"{_none('circuitBreaker', inbound, policies)}: daprd panics on it"
        yield _finding("circuit breaker", "fail", document, inbound, fact, "name one that there is")


def _none(kind: str, inbound: Value, policies: Iterable[str]) -> str:
    """That *inbound* has no policy of *kind*, or names one that is nowhere."""
    name = inbound.text(kind)
    missing = unknown(f"{kind} policy", name, policies).rstrip(".")
    return missing if name else f"inbound has no {kind} policy"


@dataclass(frozen=True, slots=True)
class _Target:
    """What a Resiliency says of a component."""

    document: Document
    component: str
    place: Value
    inbound: Value | None


def _targets(found: Resources) -> list[_Target]:
    return [
        _Target(document, name, target, target.get("inbound"))
        for document in found.kind("Resiliency")
        for name, target in _fields(document.top.get("spec", "targets", "components"))
    ]


def _unknown_targets(found: Resources) -> Iterator[Check]:
    known = {document.name for document in found.kind("Component")}
    for target in _targets(found):
        if target.component not in known:
            fact = f"its target {target.component} is no component here: the policy never applies"
            way_out = f"name one of {', '.join(sorted(known)) or 'your components'}"
            yield _finding("resiliency", "warn", target.document, target.place, fact, way_out)


def _durations(found: Resources) -> Iterator[Check]:
    for component in found.components("pubsub.redis"):
        for name, default in (("redeliverInterval", "15 s"), ("processingTimeout", "60 s")):
            value = component.option(name)
            if value is None:
                continue
            text = str(value.content)
            if not text.isdigit():
                fact = f"{name} {text!r} is ignored, {default} is used"
                way_out = "write whole milliseconds, e.g. 15000"
                yield _finding("durations", "fail", component, value, fact, way_out)
            elif int(text) == 0:
                fact = f"{name} is 0: a killed app's events never come again"
                yield _finding("durations", "fail", component, value, fact, "set it, e.g. 60000")


def _concurrency(found: Resources) -> Iterator[Check]:
    for component in found.components("pubsub.redis"):
        value = component.option("concurrency")
        text = str(value.content) if value else "10"
        if not text.isdigit() or int(text) < BULK:
            fact = (f"concurrency is {text}: so many unanswered messages stall all of its topics, "
                    f"and a bulk of {BULK} waits for its flush")  # fmt: skip
            yield _finding("concurrency", "warn", component, value, fact, f"set it to {BULK}")


def _trimming(found: Resources) -> Iterator[Check]:
    for component in found.components("pubsub.redis"):
        if component.option("maxLenApprox") is None and component.option("streamTTL") is None:
            fact = "acknowledged entries stay in Redis for ever"
            way_out = "set maxLenApprox above the longest backlog that you want to survive"
            yield _finding("trimming", "warn", component, None, fact, way_out)


def _groups(found: Resources) -> Iterator[Check]:
    for component in found.components("pubsub.redis"):
        value = component.option("consumerID")
        if value is not None:
            fact = "consumerID is the group of every app: they take events from each other"
            way_out = "leave it out: it is the app-id"
            yield _finding("group", "fail", component, value, fact, way_out)


def _cron_bindings(found: Resources) -> Iterator[Check]:
    for component in found.components("bindings.cron"):
        fact = "a cron binding fires on every replica: N replicas, N runs"
        way_out = "write a CronJob: its ticks are run once"
        yield _finding("cron", "fail", component, component.top.get("spec", "type"), fact, way_out)


def _subscriptions(found: Resources) -> Iterator[Check]:
    known = {component.name for component in found.components("pubsub.")}
    for document in found.kind("Subscription"):
        spec = document.top.get("spec") or document.top
        dead, topic = spec.get("deadLetterTopic"), spec.text("topic")
        if dead is None:
            fact = f"{topic} has no deadLetterTopic: what is dropped leaves no trace"
            way_out = f"add deadLetterTopic, e.g. {topic}.dead"
            yield _finding("dead letters", "warn", document, spec, fact, way_out)
        elif dead.content == topic:
            fact = f"dead letters of {topic} go to {topic} again, for ever"
            yield _finding("dead letters", "fail", document, dead, fact, "name another topic")
        if spec.text("metadata", "rawPayload").lower() == "true":
            fact = "rawPayload: events have no id, so repeated ones are not known"
            place = spec.get("metadata", "rawPayload")
            yield _finding("raw", "fail", document, place, fact, "leave rawPayload out")
        if known and spec.text("pubsubname") not in known:
            fact = f"pubsubname {spec.text('pubsubname')!r} is no component here: nothing arrives"
            way_out = f"name one of {', '.join(sorted(known))}"
            place = spec.get("pubsubname")
            yield _finding("subscription", "fail", document, place, fact, way_out)


def _doubles(found: Resources) -> Iterator[Check]:
    seen: dict[str, Document] = {}
    for document in found.kind("Component"):
        first = seen.setdefault(document.name, document)
        if first is not document:
            fact = f"component {document.name} is also at {first.place()}: one of them is ignored"
            yield _finding("names", "fail", document, None, fact, "rename or remove one")


RULES: tuple[Rule, ...] = (
    _retries, _unknown_targets, _durations, _concurrency, _trimming, _groups, _cron_bindings,
    _subscriptions, _doubles,
)  # fmt: skip


def _finding(
    rule: str, level: Level, document: Document, value: Value | None, fact: str, way_out: str
) -> Check:
    return Check(f"dapr: {rule}", level, f"{document.place(value)}: {fact}", way_out)


def _fields(value: Value | None) -> list[tuple[str, Value]]:
    return list(value.fields().items()) if value else []
