"""Verdicts as files: the Chaos Toolkit's journal, and JUnit XML for CI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import orjson

from ..core.put import put
from .verdict import Verdict

STATUS = {"pass": "completed", "fail": "failed", "not proven": "aborted"}
"""The journal's `status`; its reports know completed, failed, aborted and interrupted."""

Played = tuple[str, Verdict, float, float]
"""Scenario, verdict, when it began in epoch seconds, and how many seconds it took."""


def write_journal(folder: Path, played: Sequence[Played], page: str) -> None:
    """Write `journal.json` (chaostoolkit.org/reference/api/journal) and `junit.xml` to *folder*.

    And *page*, as `report.html`.

    Raises:
        Unreachable: One of them cannot be written.
    """
    put(folder / "journal.json", orjson.dumps(_journal(played)))
    put(folder / "report.html", page)
    put(folder / "junit.xml", Xml.tostring(_junit(played), "utf-8", xml_declaration=True))


def _journal(played: Sequence[Played]) -> dict[str, Any]:
    results = {verdict.result for _, verdict, _, _ in played}
    worst = next(result for result in ("fail", "not proven", "pass") if result in results)
    return {
        "chaoslib-version": "1.0.0",
        "experiment": {"title": "workerkit chaos", "description": "", "method": []},
        "status": STATUS[worst],
        "deviated": worst == "fail",
        "start": _moment(min(began for _, _, began, _ in played)),
        "end": _moment(max(began + seconds for _, _, began, seconds in played)),
        "duration": sum(seconds for _, _, _, seconds in played),
        "run": [_activity(*one) for one in played],
        "rollbacks": [],
    }


def _activity(name: str, verdict: Verdict, began: float, seconds: float) -> dict[str, Any]:
    return {
        "activity": {"type": "action", "name": name},
        "status": "succeeded" if verdict.result == "pass" else "failed",
        "start": _moment(began),
        "end": _moment(began + seconds),
        "duration": seconds,
        "output": asdict(verdict),
    }


def _junit(played: Sequence[Played]) -> Xml.Element:
    suite = Xml.Element("testsuite", name="workerkit chaos", tests=str(len(played)))
    for name, verdict, _, seconds in played:
        case = Xml.SubElement(suite, "testcase", name=name, time=f"{seconds:.3f}")
        if verdict.result != "pass":
            kind = "failure" if verdict.result == "fail" else "skipped"
            Xml.SubElement(case, kind, message="; ".join(verdict.reasons))
    return suite


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
