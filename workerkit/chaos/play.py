"""Plays one scenario: steady state, fault, steady state, full drain, verdict."""

from __future__ import annotations

from ..errors import CheckFailed
from .catalogue import Scenario
from .evidence import of_events
from .scenarios import Play
from .stage import Stage
from .verdict import Evidence, Verdict, judge


def play(scenario: Scenario, act: Play, stage: Stage) -> Verdict:
    """Play *act*, which is what *scenario* does; the caller starts and ends the rig and the load.

    A fact that does not come in time is a problem, and so the verdict is fail.

    Raises:
        StartStopError: The project's processes do not start.
    """
    if scenario.mode == "cron":
        return judge(_play_job(act, stage))
    stage.rig.start(*stage.workers[: scenario.replicas])
    with stage.watched(scenario.replicas):
        stage.load.start()
        try:
            stage.steady()
            act(stage)
            stage.steady()
        except CheckFailed as error:
            stage.problems.append(str(error))
        drained = stage.drain()
    return judge(of_events(stage, drained))


def _play_job(act: Play, stage: Stage) -> Evidence:
    try:
        evidence = act(stage)
    except CheckFailed as error:
        stage.problems.append(str(error))
        evidence = None
    return evidence or of_events(stage, drained=False)
