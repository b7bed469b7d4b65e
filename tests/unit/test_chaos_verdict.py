"""The checker is right about evidence whose truth is known."""

from __future__ import annotations

from collections import Counter

import pytest

from workerkit.chaos.verdict import Attempt, Evidence, Fault, judge
from workerkit.storage.effects import Settled

WORKER = "shop/orders"
KILL = Fault("SIGKILL", 10.0, 10.1, 3)


def evidence(**changes) -> Evidence:
    """Two events, applied once each around a fault that hit work in progress."""
    usual = {
        "attempts": {id: Attempt(id, 1.0, 1.1) for id in ("a", "b")},
        "consumers": [WORKER],
        "settled": [Settled(WORKER, "a", "applied", 2.0), Settled(WORKER, "b", "applied", 12.5)],
        "effects": Counter({(WORKER, "a"): 1, (WORKER, "b"): 1}),
        "faults": [KILL],
        "drained": True,
    }
    return Evidence(**{**usual, **changes})


def test_each_event_once_around_a_fault_that_hit_is_a_pass():
    verdict = judge(evidence())
    assert (verdict.result, verdict.reasons) == ("pass", ())
    assert (verdict.confirmed, verdict.applied, verdict.hit) == (2, 2, 3)
    assert verdict.recovery == pytest.approx(2.4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"settled": [Settled(WORKER, "a", "applied", 2.0)],
          "effects": Counter({(WORKER, "a"): 1})}, "1 lost: b"),
        ({"effects": Counter({(WORKER, "a"): 1})}, "1 lost: b"),
        ({"effects": Counter({(WORKER, "a"): 2, (WORKER, "b"): 1})}, "1 done twice: a"),
        ({"settled": [Settled(WORKER, "a", "dead", 2.0), Settled(WORKER, "b", "applied", 12.0)]},
         "1 not as expected: a is dead"),
        ({"effects": Counter({(WORKER, "a"): 1, (WORKER, "b"): 1, (WORKER, "c"): 1})},
         "1 not as expected: c was never sent"),
        ({"problems": ["worker ended with -9 after SIGTERM"]}, "worker ended with -9"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_fail_and_is_named(changes, reason):
    verdict = judge(evidence(**changes))
    assert verdict.result == "fail"
    assert verdict.reasons[0].startswith(reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"faults": [Fault("SIGKILL", 10.0, 10.1, 0)]}, "SIGKILL hit no work in progress"),
        ({"faults": []}, "nothing was broken"),
        ({"attempts": {}, "settled": [], "effects": Counter()}, "no event was published"),
        ({"settled": [Settled(WORKER, "a", "applied", 2.0)],
          "effects": Counter({(WORKER, "a"): 1}), "drained": False},
         "not all of it had been settled when the wait for it ended"),
    ],
)  # fmt: skip
def test_what_shows_nothing_is_not_proven(changes, reason):
    verdict = judge(evidence(**changes))
    assert (verdict.result, verdict.reasons) == ("not proven", (reason,))


def test_a_loss_is_a_fail_even_where_the_fault_hit_nothing():
    wrong = evidence(faults=[], effects=Counter({(WORKER, "a"): 1}))
    assert judge(wrong).result == "fail"


def test_an_event_that_was_never_confirmed_may_be_there_or_not():
    maybe = {"a": Attempt("a", 1.0, 1.1), "b": Attempt("b", 1.0, None)}
    assert judge(evidence(attempts=maybe)).result == "pass"
    gone = evidence(
        attempts=maybe,
        settled=[Settled(WORKER, "a", "applied", 12.0)],
        effects=Counter({(WORKER, "a"): 1}),
    )
    assert judge(gone).result == "pass"


@pytest.mark.parametrize("kind", ["poison", "deadly"])
def test_an_event_that_cannot_be_handled_must_end_dead_and_without_an_effect(kind):
    attempts = {"a": Attempt("a", 1.0, 1.1, kind), "b": Attempt("b", 1.0, 1.1)}
    dead = [Settled(WORKER, "a", "dead", 2.0), Settled(WORKER, "b", "applied", 12.0)]
    effects = Counter({(WORKER, "b"): 1})
    assert judge(evidence(attempts=attempts, settled=dead, effects=effects)).result == "pass"
    assert judge(evidence(attempts=attempts, settled=dead)).result == "fail"
    assert judge(evidence(attempts=attempts)).result == "fail"


def test_every_consumer_is_asked():
    two = evidence(consumers=[WORKER, "shop/mails"])
    assert judge(two).reasons == ("2 lost: a, b",)


def test_many_ids_are_counted_and_some_are_named():
    attempts = {str(n): Attempt(str(n), 1.0, 1.1) for n in range(8)}
    verdict = judge(evidence(attempts=attempts, settled=[], effects=Counter()))
    assert verdict.reasons == ("8 lost: 0, 1, 2, 3, 4 and 3 more",)
