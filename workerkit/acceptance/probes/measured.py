"""Probes of what was measured: verdicts, load tests, deployments, the project's own tests."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import orjson

from ...chaos.kept import Kept
from ...loadtest.run import Run
from ...loadtest.units import shown
from ...loadtest.usage import Usage
from ...operate.checklist import Seen
from ...operate.smoke import Verified
from ..evidence import Evidence
from .guarded import Probe

HOUR = 3600.0


def survives(scenario: str) -> Probe:
    """The last verdict of *scenario* on any of the services is a pass, about the code as it is."""
    command = f"workerkit chaos {scenario}"

    def probe(evidence: Evidence, services: Sequence[str]) -> Seen:
        found = [k for (name, s), k in evidence.verdicts.items()
                 if name == scenario and s in services]  # fmt: skip
        if not found and scenario not in [one.name for one in evidence.scenarios]:
            return Seen("unseen", f"{scenario} cannot be played on this project here", command)
        if not found:
            return Seen("open", f"{scenario} was never played", command)
        for kept in found:
            if kept.verdict.result != "pass":
                why = "; ".join(kept.verdict.reasons)
                fact = f"{scenario} on {kept.service}: {kept.verdict.result}: {why}"
                return Seen("open", fact, f"{command} {kept.service}")
            if kept.code != evidence.code:
                fact = f"the code has changed since {scenario} was played"
                return Seen("open", fact, f"{command} {kept.service}")
        return Seen("done", "; ".join(f"{scenario} on {_told(kept)}" for kept in found))

    return probe


def survives_all(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Every scenario that can be played here."""
    probed = {one.name: survives(one.name)(evidence, services) for one in evidence.scenarios}
    bad = {name: seen for name, seen in probed.items() if seen.state != "done"}
    if bad or not probed:
        first = next(iter(bad.values()), Seen("open", "there is nothing to break"))
        fact = f"{first.fact}{f' and {len(bad) - 1} more' * (len(bad) > 1)}"
        return Seen("open", fact, "workerkit chaos all" if len(bad) > 1 else first.way_out)
    return Seen("done", f"{len(probed)} scenarios")


def loses_nothing(evidence: Evidence, services: Sequence[str]) -> Seen:
    """No verdict of any scenario has an event that was lost or done twice."""
    verdicts = {name: kept.verdict for (name, _), kept in evidence.verdicts.items()}
    bad = [n for n, v in verdicts.items() if v.lost or v.duplicated or v.unannounced]
    if bad:
        return Seen("open", f"lost or done twice in {', '.join(bad)}", f"workerkit chaos {bad[0]}")
    whole = survives_all(evidence, services)
    if whole.state != "done":
        return whole
    events = sum(verdict.confirmed for verdict in verdicts.values())
    return Seen("done", f"{events} events over {len(verdicts)} scenarios: 0 lost, 0 done twice")


def api_unharmed(evidence: Evidence, services: Sequence[str]) -> Seen:
    """While all workers were replaced, the API answered every question."""
    seen = survives("restart-all")(evidence, services)
    if seen.state != "done":
        return seen
    kept = [evidence.verdicts.get(("restart-all", service)) for service in services]
    asked = sum(each.verdict.api_asked for each in kept if each)
    failed = sum(each.verdict.api_errors for each in kept if each)
    if failed or not asked:
        fact = f"{failed} of {asked} questions failed meanwhile"
        return Seen("open", fact, "workerkit chaos restart-all")
    return Seen("done", f"all {asked} questions were answered meanwhile")


def apis_keep_their_promise(evidence: Evidence, services: Sequence[str]) -> Seen:
    """The last load test of each API held its thresholds."""
    apis = [name for name in services if "api" in evidence.modes(name)]
    return _runs(evidence, "api", apis, "p95", "workerkit loadtest api {}")


def events_keep_their_promise(evidence: Evidence, services: Sequence[str]) -> Seen:
    """The last load test of each topic held its thresholds."""
    topics = sorted({w.topic for n in services if n in evidence.services
                     for w in evidence.services[n].events})  # fmt: skip
    return _runs(evidence, "events", topics, "rate", "workerkit loadtest events {}")


def no_worse_apart(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Latencies with separated workers against those with workers inside."""
    return _runs(evidence, "compare", services, "separated_p95", "workerkit loadtest compare {}")


def nothing_grows(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Memory, files and lag under steady load."""
    return _runs(evidence, "soak", services, "rss_slope", "workerkit loadtest soak {} --for 10m")


def usage_known(evidence: Evidence, services: Sequence[str]) -> Seen:
    """What each process takes of the machine while it is loaded."""
    for name in services:
        run = evidence.last_run("soak", name) or evidence.last_run("api", name)
        command = f"workerkit loadtest api {name}"
        if run is None or not run.usage:
            return Seen("open", f"it was never measured what {name} takes", command)
        if run.code != evidence.code:
            return Seen("open", f"the code has changed since {name} was measured", command)
    used = {each.name: each for name in services for each in _usage(evidence, name)}
    return Seen("done", ", ".join(
        f"{each.name} {each.cpu:.2f} cores {each.rss_peak / 1e6:.0f} MB" for each in used.values()
    ))  # fmt: skip


def event_passes(evidence: Evidence, services: Sequence[str]) -> Seen:
    """The last verified deployment saw an event go from one end to the other."""
    found = evidence.verified("verify")
    return _verified(evidence, found, "workerkit deploy verify", only="an event from end to end")


def tried(evidence: Evidence, services: Sequence[str]) -> Seen:
    """The last deployment passed."""
    return _verified(evidence, evidence.verified("verify"), "workerkit deploy verify")


def rehearsed(evidence: Evidence, services: Sequence[str]) -> Seen:
    """The way back was gone, on the machine that has the containers."""
    command = "workerkit deploy rollback"
    found = evidence.verified("rollback")
    if found is None and evidence.no_docker:
        return Seen("unseen", evidence.no_docker, command)
    return _verified(evidence, found, command)


def watched(evidence: Evidence, services: Sequence[str]) -> Seen:
    """A deployment was watched for an hour, and passed."""
    command = "workerkit deploy verify --for 1h"
    found = evidence.verified("watch")
    if found is not None and found.result == "pass" and found.watched < HOUR:
        return Seen("open", f"watched for {found.watched:.0f} s only", command)
    return _verified(evidence, found, command)


def own_tests(evidence: Evidence, services: Sequence[str]) -> Seen:
    """pytest's cache: it ran after the last change of code and tests, and nothing failed."""
    cache = evidence.folder / ".pytest_cache" / "v" / "cache"
    failed = cache / "lastfailed"
    try:
        ran = (cache / "nodeids").stat().st_mtime
        tests = orjson.loads((cache / "nodeids").read_bytes())
        broken = orjson.loads(failed.read_bytes()) if failed.exists() else {}
        files = [*evidence.project.sources(), *(evidence.folder / "tests").rglob("*.py")]
        newest = max((path.stat().st_mtime for path in files), default=0.0)
    except (OSError, ValueError):
        return Seen("open", "the tests have not run here", "pytest")
    if broken:
        return Seen("open", f"{len(broken)} failed, e.g. {next(iter(broken))}", "pytest")
    if ran < newest or not tests:
        return Seen("open", "code or tests have changed since they ran", "pytest")
    return Seen("done", f"{len(tests)} tests, says pytest's cache")


def _told(kept: Kept) -> str:
    """What happened on a service, e.g. `pricing: 249 events, recovered in 0.1 s`."""
    facts = [f"{kept.verdict.confirmed} events"] if kept.verdict.confirmed else []
    if kept.verdict.recovery is not None:
        facts.append(f"went on after {kept.verdict.recovery:.1f} s")
    return f"{kept.service}: {', '.join([*facts, 'nothing lost or done twice'])}"


def _runs(
    evidence: Evidence, kind: str, subjects: Sequence[str], figure: str, command: str
) -> Seen:
    told = []
    for subject in subjects:
        run, way_out = evidence.last_run(kind, subject), command.format(subject)
        if run is None:
            return Seen("open", f"{subject} was never measured", way_out)
        broken = list(_broken(run))
        if broken:
            # What noise hides here, another machine or more rounds may tell.
            hidden = run.code == evidence.code and _is_undecided(run)
            return Seen("unseen" if hidden else "open", f"{subject}: {broken[0]}", way_out)
        if run.code != evidence.code:
            return Seen("open", f"the code has changed since {subject} was measured", way_out)
        told.append(f"{subject} {figure.removeprefix('separated_')} {_figure(run, figure)}")
    if not told:
        return Seen("open", "there is nothing to measure", command.format("").rstrip())
    return Seen("done", ", ".join(told))


def _is_undecided(run: Run) -> bool:
    """Whether it went on to its end, and nothing of it is worse for certain."""
    return not run.ended and bool(run.checks) and all(c.holds is not False for c in run.checks)


def _broken(run: Run) -> Iterator[str]:
    if run.ended:
        yield f"ended before its time: {run.ended}"
    for check in run.checks:
        if not check.holds:
            word = "not proven" if check.holds is None else "broken"
            yield f"{check.text} {word}, was {check.seen}"
    if not run.checks:
        yield "nothing was demanded"


def _figure(run: Run, name: str) -> str:
    return shown(name, run.figures[name]) if name in run.figures else "held"


def _usage(evidence: Evidence, name: str) -> Sequence[Usage]:
    run = evidence.last_run("soak", name) or evidence.last_run("api", name)
    return run.usage if run else ()


def _verified(evidence: Evidence, found: Verified | None, command: str, only: str = "") -> Seen:
    if found is None:
        return Seen("open", f"never done: {command}", command)
    bad = [c for c in found.checks if not c.holds and (not only or c.name == only)]
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.at))
    if bad:
        return Seen("open", f"{when}: {bad[0].name}: {bad[0].seen}", command)
    if found.code != evidence.code:
        return Seen("open", f"the code has changed since {when}", command)
    told = next((c.seen for c in found.checks if c.name == only), "")
    return Seen("done", told or f"{when}: {len(found.checks)} checks passed")
