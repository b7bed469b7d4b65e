"""What is known of a run once it is over: what its verdict rests on."""

from __future__ import annotations

from collections.abc import Sequence

from ..events.envelope import decode
from ..storage.effects import Settled, list_effects, settled_events
from .stage import Stage
from .verdict import Attempt, Evidence, Key, Kind


def of_events(stage: Stage, drained: bool) -> Evidence:
    """What became of the load; *drained* as `Stage.drain` says."""
    return Evidence(
        attempts=stage.load.attempts,
        consumers=stage.consumers,
        settled=settled_events(stage.database, stage.load.run),
        effects=_effects(stage, stage.consumers),
        faults=stage.faults,
        drained=drained,
        announced=_announced(stage),
        wire_since=stage.wire_since,
        strict=stage.strict,
        flushed=frozenset(stage.flushed),
        problems=stage.problems,
        course=stage.course,
        workers=stage.answers_of_workers(),
        api=stage.answers_of_api(),
    )


def of_job(stage: Stage, killed: float | None = None, done: float | None = None) -> Evidence:
    """The same for the first job, of which one tick was *killed* and another one *done*."""
    job = stage.jobs[0]
    runs = [run for run in stage.ledger.history(job, 10_000) if run.state != "skipped"]
    kinds: dict[float | None, Kind] = {killed: "deadly", done: "normal"}
    states = {"succeeded": "applied", "abandoned": "dead"}
    return Evidence(
        attempts={
            str(run.tick): Attempt(
                str(run.tick), run.tick, run.started, kinds.get(run.tick, "normal")
            )
            for run in runs
        },
        consumers=[job],
        settled=[
            Settled(job, str(run.tick), states.get(run.state, run.state), run.ended)
            for run in reversed(runs)
        ],
        effects=_effects(stage, [job]),
        faults=stage.faults,
        drained=True,
        problems=stage.problems,
    )


def _effects(stage: Stage, consumers: Sequence[str]) -> list[Key]:
    return [key for key in list_effects(stage.database, stage.load.run) if key[0] in consumers]


def _announced(stage: Stage) -> dict[Key, int]:
    """How many different follow-ups each event has on the wire."""
    ids: dict[Key, set[str]] = {}
    for delivery in stage.broker.read(stage.load.run, "", 10_000_000):
        event = decode(delivery.body, stage.load.run, delivery.entry)
        ids.setdefault((event.data["by"], event.data["of"]), set()).add(event.id)
    return {key: len(found) for key, found in ids.items()}
