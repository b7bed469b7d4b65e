"""The checker: what was published against what was done, and what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..storage.effects import Settled
from .course import Seen
from .watch import Answer

Result = Literal["pass", "fail", "not proven"]
Kind = Literal["normal", "failing", "poison", "deadly"]
Key = tuple[str, str]
"""Consumer, and event's name."""

FELT = 1.0
"""Seconds after its end in which a fault still counts for the API's users."""

SHOWN = 5
"""Ids that a reason names."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One event of the run. `confirmed_at` is when the broker had it, None when it never said so.

    A `poison` event cannot be read and a `deadly` one kills its process: both
    are to end as dead letters without an effect. A `failing` one is applied
    at its second attempt.
    """

    id: str
    at: float
    confirmed_at: float | None
    kind: Kind = "normal"


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done to the project. `hit` says how much work was in progress, 0 none."""

    name: str
    began: float
    ended: float
    hit: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the publisher knows, what the databases hold, and what was done meanwhile.

    `attempts` are in the order of publication; `effects` in that of their
    writing, `settled` by time. `announced` are the different follow-ups of
    each event on the wire, None when none were to come; those of events
    settled before `wire_since` (epoch seconds) may be gone. `strict` are the
    consumers that keep order across processes. `drained`: broker, parked
    events and outbox had nothing left when all of this was read; what has no
    outcome then is lost, else it may still come. `flushed` are the events
    that the broker held when all that it had was deleted. `workers` and `api`
    are what they answered throughout, `course` is how it went.
    """

    attempts: Mapping[str, Attempt]
    consumers: Sequence[str]
    settled: Sequence[Settled]
    effects: Sequence[Key]
    faults: Sequence[Fault]
    drained: bool
    announced: Mapping[Key, int] | None = None
    wire_since: float = 0.0
    strict: Sequence[str] = ()
    flushed: frozenset[str] = frozenset()
    problems: Sequence[str] = ()
    workers: Sequence[Answer] = ()
    api: Sequence[Answer] = ()
    course: Sequence[Seen] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures, counted over all consumers, and what follows; times in seconds.

    `unannounced` are events whose follow-up is not on the wire, `flushed`
    what went with a broker that was emptied, `disordered` effects that came
    before one that was published earlier. `detection` is from the beginning
    of the first fault to the first worker that was not running, `recovery`
    from the end of the last one to the first event settled after that; None
    when there was none. `api_p95` and `api_errors` are those of questions
    asked during faults and shortly after.
    """

    result: Result
    reasons: tuple[str, ...]
    attempted: int
    confirmed: int
    applied: int
    dead: int
    lost: int
    duplicated: int
    unexpected: int
    unannounced: int
    disordered: int
    flushed: int
    hit: int
    detection: float | None
    recovery: float | None
    api_asked: int
    api_errors: int
    api_p95: float | None
    faults: tuple[Fault, ...] = ()
    course: tuple[Seen, ...] = ()


def judge(evidence: Evidence) -> Verdict:
    """Every confirmed event has one outcome and its effect once, or none where it must not."""
    found = _findings(evidence)
    wrong = [
        *_counted("lost", found.lost),
        *_counted("done twice", found.duplicated),
        *_counted("not as expected", found.unexpected),
        *_counted("applied without their follow-up", found.unannounced),
        *_counted("with a second follow-up", found.announced_twice),
        *_counted("out of order", found.disordered),
        *evidence.problems,
    ]
    unproven = list(_unproven(evidence))
    counts = Counter(one.state for one in evidence.settled)
    asked = [one for one in evidence.api if _meanwhile(one, evidence.faults)]
    return Verdict(
        result="fail" if wrong else "not proven" if unproven else "pass",
        reasons=(*wrong, *unproven),
        attempted=len(evidence.attempts),
        confirmed=sum(a.confirmed_at is not None for a in evidence.attempts.values()),
        applied=counts["applied"],
        dead=counts["dead"],
        lost=len(found.lost),
        duplicated=len(found.duplicated),
        unexpected=len(found.unexpected),
        unannounced=len(found.unannounced),
        disordered=len(found.disordered),
        flushed=len(found.gone),
        hit=sum(fault.hit for fault in evidence.faults),
        detection=_detection(evidence),
        recovery=_recovery(evidence),
        api_asked=len(asked),
        api_errors=sum(not one.fine for one in asked),
        api_p95=_p95([one.seconds for one in asked]),
        faults=tuple(evidence.faults),
        course=tuple(evidence.course),
    )


@dataclass(frozen=True, slots=True)
class _Findings:
    """Names of events, by what is wrong with them; `gone` are the flushed ones."""

    lost: list[str]
    gone: list[str]
    duplicated: list[str]
    unexpected: list[str]
    unannounced: list[str]
    announced_twice: list[str]
    disordered: list[str]


def _findings(evidence: Evidence) -> _Findings:
    states = {(one.consumer, one.id): one.state for one in evidence.settled}
    effects = Counter(evidence.effects)
    expected = [(c, a) for c in evidence.consumers for a in evidence.attempts.values()]
    missing = [
        (c, a.id) for c, a in expected
        if a.confirmed_at is not None
        and _is_lost(evidence.drained, states.get((c, a.id)), effects[c, a.id])
    ]  # fmt: skip
    gone = [key[1] for key in missing if key[1] in evidence.flushed and key not in states]
    unannounced, announced_twice = _follow_ups(evidence)
    return _Findings(
        lost=[id for _, id in missing if id not in gone],
        gone=gone,
        duplicated=[key[1] for key, count in effects.items() if count > 1],
        unexpected=_unexpected(expected, states, effects),
        unannounced=unannounced,
        announced_twice=announced_twice,
        disordered=[id for consumer in evidence.strict for id in _disordered(evidence, consumer)],
    )


def _is_lost(drained: bool, state: str | None, effects: int) -> bool:
    if state is None:
        return drained
    return state == "applied" and not effects


def _unexpected(
    expected: Sequence[tuple[str, Attempt]], states: Mapping[Key, str], effects: Counter[Key]
) -> list[str]:
    known = {(c, a.id) for c, a in expected}
    found = [
        f"{a.id} is {state}"
        for c, a in expected
        if (state := states.get((c, a.id), "")) and not _fits(a, state, effects[c, a.id])
    ]
    return found + [f"{key[1]} was never sent" for key in effects if key not in known]


def _fits(attempt: Attempt, state: str, effects: int) -> bool:
    if attempt.kind in ("normal", "failing"):
        return state == "applied"
    return state == "dead" and effects == 0


def _follow_ups(evidence: Evidence) -> tuple[list[str], list[str]]:
    """Events without a follow-up, and with more than one."""
    announced = evidence.announced
    if announced is None:
        return [], []
    due = [one for one in evidence.settled if one.at >= evidence.wire_since]
    applied = [(one.consumer, one.id) for one in due if one.state == "applied"]
    without = [key[1] for key in applied if not announced.get(key)]
    return (without if evidence.drained else []), [k[1] for k, n in announced.items() if n > 1]


def _disordered(evidence: Evidence, consumer: str) -> list[str]:
    """Effects of *consumer* that came before an earlier event's; what failed once is overtaken."""
    place = {a.id: n for n, a in enumerate(evidence.attempts.values()) if a.kind == "normal"}
    ids = [id for by, id in evidence.effects if by == consumer and id in place]
    return [ids[n] for n in range(len(ids) - 1) if place[ids[n]] > place[ids[n + 1]]]


def _unproven(evidence: Evidence) -> list[str]:
    found = []
    if all(attempt.confirmed_at is None for attempt in evidence.attempts.values()):
        found.append("no event was published")
    if not evidence.drained:
        found.append("not all of it had been settled when the wait for it ended")
    if not evidence.faults:
        found.append("nothing was broken")
    found += [f"{f.name} hit no work in progress" for f in evidence.faults if not f.hit]
    return found


def _detection(evidence: Evidence) -> float | None:
    if not evidence.faults:
        return None
    began = min(fault.began for fault in evidence.faults)
    seen = (one.at + one.seconds for one in evidence.workers if one.at >= began and not one.fine)
    return min((at - began for at in seen), default=None)


def _recovery(evidence: Evidence) -> float | None:
    if not evidence.faults:
        return None
    end = max(fault.ended for fault in evidence.faults)
    return min((one.at - end for one in evidence.settled if one.at > end), default=None)


def _meanwhile(answer: Answer, faults: Sequence[Fault]) -> bool:
    end = answer.at + answer.seconds
    return any(answer.at <= fault.ended + FELT and end >= fault.began for fault in faults)


def _p95(values: list[float]) -> float | None:
    """By the nearest rank; None of nothing."""
    return sorted(values)[-(-len(values) * 95 // 100) - 1] if values else None


def _counted(what: str, ids: Sequence[str]) -> list[str]:
    if not ids:
        return []
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return [f"{len(ids)} {what}: {', '.join(ids[:SHOWN])}{more}"]
