"""The checker is right about evidence whose truth is known."""

from __future__ import annotations

import pytest

from workerkit.chaos.course import Seen, rates
from workerkit.chaos.report import page
from workerkit.chaos.verdict import Attempt, Evidence, Fault, judge
from workerkit.chaos.watch import Answer
from workerkit.cli.chaos_run import worst
from workerkit.storage.effects import Settled

WORKER = "shop/orders"
KILL = Fault("SIGKILL", 10.0, 10.1, 3)


def evidence(**changes) -> Evidence:
    """Two events, applied once each around a fault that hit work in progress."""
    usual = {
        "attempts": {id: Attempt(id, 1.0, 1.1) for id in ("a", "b")},
        "consumers": [WORKER],
        "settled": [Settled(WORKER, "a", "applied", 2.0), Settled(WORKER, "b", "applied", 12.5)],
        "effects": [(WORKER, "a"), (WORKER, "b")],
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
          "effects": [(WORKER, "a")]}, "1 lost: b"),
        ({"effects": [(WORKER, "a")]}, "1 lost: b"),
        ({"effects": [(WORKER, "a"), (WORKER, "a"), (WORKER, "b")]}, "1 done twice: a"),
        ({"settled": [Settled(WORKER, "a", "dead", 2.0), Settled(WORKER, "b", "applied", 12.0)]},
         "1 not as expected: a is dead"),
        ({"effects": [(WORKER, "a"), (WORKER, "b"), (WORKER, "c")]},
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
        ({"attempts": {}, "settled": [], "effects": []}, "no event was published"),
        ({"settled": [Settled(WORKER, "a", "applied", 2.0)],
          "effects": [(WORKER, "a")], "drained": False},
         "not all of it had been settled when the wait for it ended"),
    ],
)  # fmt: skip
def test_what_shows_nothing_is_not_proven(changes, reason):
    verdict = judge(evidence(**changes))
    assert (verdict.result, verdict.reasons) == ("not proven", (reason,))


def test_a_loss_is_a_fail_even_where_the_fault_hit_nothing():
    wrong = evidence(faults=[], effects=[(WORKER, "a")])
    assert judge(wrong).result == "fail"


def test_an_event_that_was_never_confirmed_may_be_there_or_not():
    maybe = {"a": Attempt("a", 1.0, 1.1), "b": Attempt("b", 1.0, None)}
    assert judge(evidence(attempts=maybe)).result == "pass"
    gone = evidence(
        attempts=maybe,
        settled=[Settled(WORKER, "a", "applied", 12.0)],
        effects=[(WORKER, "a")],
    )
    assert judge(gone).result == "pass"


@pytest.mark.parametrize("kind", ["poison", "deadly"])
def test_an_event_that_cannot_be_handled_must_end_dead_and_without_an_effect(kind):
    attempts = {"a": Attempt("a", 1.0, 1.1, kind), "b": Attempt("b", 1.0, 1.1)}
    dead = [Settled(WORKER, "a", "dead", 2.0), Settled(WORKER, "b", "applied", 12.0)]
    effects = [(WORKER, "b")]
    assert judge(evidence(attempts=attempts, settled=dead, effects=effects)).result == "pass"
    assert judge(evidence(attempts=attempts, settled=dead)).result == "fail"
    assert judge(evidence(attempts=attempts)).result == "fail"


def test_every_consumer_is_asked():
    two = evidence(consumers=[WORKER, "shop/mails"])
    assert judge(two).reasons == ("2 lost: a, b",)


def test_many_ids_are_counted_and_some_are_named():
    attempts = {str(n): Attempt(str(n), 1.0, 1.1) for n in range(8)}
    verdict = judge(evidence(attempts=attempts, settled=[], effects=[]))
    assert verdict.reasons == ("8 lost: 0, 1, 2, 3, 4 and 3 more",)


BUSY = [Answer(9.0, 0.01, True), Answer(10.05, 0.2, False), Answer(12.0, 0.4, True)]
"""Before, during and after the kill."""


def test_a_fault_is_noticed_when_a_worker_first_says_so():
    assert judge(evidence(workers=BUSY)).detection == pytest.approx(0.25)
    assert judge(evidence(workers=[Answer(9.0, 0.01, False)])).detection is None
    assert judge(evidence()).detection is None


def test_the_api_is_judged_by_what_was_asked_during_the_fault():
    verdict = judge(evidence(api=[*BUSY, Answer(10.9, 0.1, True)]))
    assert (verdict.api_asked, verdict.api_errors) == (2, 1)
    assert verdict.api_p95 == 0.2
    assert judge(evidence(api=BUSY[:1])).api_p95 is None


def test_an_applied_event_without_its_follow_up_is_a_fail():
    both = {(WORKER, "a"): 1, (WORKER, "b"): 1}
    assert judge(evidence(announced=both)).result == "pass"
    verdict = judge(evidence(announced={(WORKER, "a"): 1}))
    assert verdict.reasons == ("1 applied without their follow-up: b",)
    verdict = judge(evidence(announced={**both, (WORKER, "a"): 2}))
    assert verdict.reasons == ("1 with a second follow-up: a",)


def test_follow_ups_from_before_a_flush_may_be_gone():
    assert judge(evidence(announced={(WORKER, "b"): 1}, wire_since=10.0)).result == "pass"
    assert judge(evidence(announced={(WORKER, "a"): 1}, wire_since=10.0)).result == "fail"


def test_what_a_flushed_broker_held_may_be_gone_and_nothing_else():
    gone = {"settled": [Settled(WORKER, "a", "applied", 12.0)], "effects": [(WORKER, "a")]}
    verdict = judge(evidence(**gone, flushed=frozenset({"b"})))
    assert (verdict.result, verdict.lost, verdict.flushed) == ("pass", 0, 1)
    assert judge(evidence(**gone, flushed=frozenset({"a"}))).result == "fail"
    half = [(WORKER, "a")]
    assert judge(evidence(effects=half, flushed=frozenset({"b"}))).result == "fail"


def test_only_a_strict_consumer_must_keep_the_order():
    turned = [(WORKER, "b"), (WORKER, "a")]
    assert judge(evidence(effects=turned)).result == "pass"
    verdict = judge(evidence(effects=turned, strict=[WORKER]))
    assert verdict.reasons == ("1 out of order: b",)


def test_what_failed_once_may_be_overtaken():
    attempts = {"a": Attempt("a", 1.0, 1.1, "failing"), "b": Attempt("b", 1.0, 1.1)}
    turned = [(WORKER, "b"), (WORKER, "a")]
    assert judge(evidence(attempts=attempts, effects=turned, strict=[WORKER])).result == "pass"


def test_the_rate_is_what_was_settled_in_the_last_second():
    course = [Seen(100.0 + n / 4, "steady state", 0, 30 * n, 0) for n in range(9)]
    assert rates(course) == [(0.0, 0.0), *((n / 4, 120.0) for n in range(1, 9))]


def test_a_report_names_what_was_lost_and_draws_the_faults():
    course = tuple(Seen(8.0 + n / 4, "steady state", n, n, 2) for n in range(20))
    bad = judge(evidence(effects=[(WORKER, "a")], course=course))
    shown = page([("kill-worker", bad, 8.0, 5.0)])
    assert "1 lost: b" in shown
    assert shown.count("<title>SIGKILL</title>") == 2
    assert "<script" not in shown


@pytest.mark.parametrize(
    ("results", "code"),
    [(set(), 0), ({"pass"}, 0), ({"pass", "not proven"}, 6), ({"pass", "not proven", "fail"}, 5)],
)
def test_a_run_ends_with_the_code_of_its_worst_verdict(results, code):
    assert worst(results) == code
