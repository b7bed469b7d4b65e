"""The checker: what was published against what was done, and what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..storage.effects import Settled

Result = Literal["pass", "fail", "not proven"]
Kind = Literal["normal", "poison", "deadly"]

SHOWN = 5
"""Ids that a reason names."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One event of the run. `confirmed_at` is when the broker had it, None when it never said so.

    A `poison` event cannot be read and a `deadly` one kills its process: both
    are to end as dead letters without an effect.
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

    `effects` counts by (consumer, event id), `settled` is by time. `drained`:
    broker, parked events and outbox had nothing left when all of this was
    read; what has no outcome then is lost, else it may still come.
    """

    attempts: Mapping[str, Attempt]
    consumers: Sequence[str]
    settled: Sequence[Settled]
    effects: Counter[tuple[str, str]]
    faults: Sequence[Fault]
    drained: bool
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures, counted over all consumers, and what follows; times in seconds.

    `recovery` is from the end of the last fault, or from its beginning when it
    has no length, to the first event settled after that; None when there was
    none.
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
    hit: int
    recovery: float | None
    faults: tuple[Fault, ...] = field(default=())


def judge(evidence: Evidence) -> Verdict:
    """Every confirmed event has one outcome and its effect once, or none where it must not."""
    states = {(one.consumer, one.id): one.state for one in evidence.settled}
    expected = [
        (consumer, attempt)
        for consumer in evidence.consumers
        for attempt in evidence.attempts.values()
    ]
    confirmed = [(c, a) for c, a in expected if a.confirmed_at is not None]
    lost = [a.id for c, a in confirmed if _is_lost(evidence, states, c, a)]
    duplicated = [key[1] for key, count in evidence.effects.items() if count > 1]
    unexpected = [
        f"{a.id} is {state}"
        for c, a in expected
        if (state := states.get((c, a.id), "")) and not _fits(a, state, evidence.effects[c, a.id])
    ]
    known = {(c, a.id) for c, a in expected}
    unexpected += [f"{key[1]} was never sent" for key in evidence.effects if key not in known]
    wrong = [
        *_counted("lost", lost),
        *_counted("done twice", duplicated),
        *_counted("not as expected", unexpected),
        *evidence.problems,
    ]
    unproven = list(_unproven(evidence, len(confirmed)))
    result: Result = "fail" if wrong else "not proven" if unproven else "pass"
    counts = Counter(states.values())
    return Verdict(
        result=result,
        reasons=(*wrong, *unproven),
        attempted=len(evidence.attempts),
        confirmed=sum(a.confirmed_at is not None for a in evidence.attempts.values()),
        applied=counts["applied"],
        dead=counts["dead"],
        lost=len(lost),
        duplicated=len(duplicated),
        unexpected=len(unexpected),
        hit=sum(fault.hit for fault in evidence.faults),
        recovery=_recovery(evidence),
        faults=tuple(evidence.faults),
    )


def _is_lost(
    evidence: Evidence, states: Mapping[tuple[str, str], str], consumer: str, attempt: Attempt
) -> bool:
    state = states.get((consumer, attempt.id))
    if state is None:
        return evidence.drained
    return state == "applied" and not evidence.effects[consumer, attempt.id]


def _fits(attempt: Attempt, state: str, effects: int) -> bool:
    if attempt.kind == "normal":
        return state == "applied"
    return state == "dead" and effects == 0


def _unproven(evidence: Evidence, confirmed: int) -> list[str]:
    found = []
    if not confirmed:
        found.append("no event was published")
    if not evidence.drained:
        found.append("not all of it had been settled when the wait for it ended")
    if not evidence.faults:
        found.append("nothing was broken")
    found += [f"{f.name} hit no work in progress" for f in evidence.faults if not f.hit]
    return found


def _recovery(evidence: Evidence) -> float | None:
    if not evidence.faults:
        return None
    end = max(fault.ended for fault in evidence.faults)
    return min((one.at - end for one in evidence.settled if one.at > end), default=None)


def _counted(what: str, ids: Sequence[str]) -> list[str]:
    if not ids:
        return []
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return [f"{len(ids)} {what}: {', '.join(ids[:SHOWN])}{more}"]
