"""One stored measurement: what was done, on what, what came out, and whether it will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from ..core.loading import unknown
from ..core.put import put
from ..errors import ConfigurationError
from .compare import Difference
from .generator import INTERRUPTED
from .machine import Machine, this_machine
from .thresholds import Check, Threshold, compare, judge
from .usage import Sample, Usage

FOLDER = "runs"
"""Below the project's data folder."""


@dataclass(frozen=True)
class Run:
    """`at` in epoch seconds; `what` a sentence; `figures` by name in base units.

    `subject` is the service or the topic that was measured.

    `counts` say how often what happened; `series` are curves over the run's
    seconds; `curve` is (percent, seconds); `differences` are those of two
    layouts; `ended` is why it ended before its time; `code` is the project's
    digest then, empty when no project was measured.
    """

    id: str
    kind: str
    at: float
    what: str
    figures: Mapping[str, float]
    counts: Mapping[str, int] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    series: Mapping[str, Sequence[float]] = field(default_factory=dict)
    curve: tuple[tuple[float, float], ...] = ()
    usage: tuple[Usage, ...] = ()
    differences: tuple[Difference, ...] = ()
    machine: Machine = field(default_factory=this_machine)
    ended: str = ""
    code: str = ""
    subject: str = ""

    @property
    def exit_code(self) -> int:
        """130 interrupted, 3 the target went away, 5 a check broken, 6 not proven, else 0."""
        if self.ended:
            return 130 if self.ended == INTERRUPTED else 3
        outcomes = {check.holds for check in self.checks}
        return 5 if False in outcomes else 6 if None in outcomes else 0

    def judged(
        self, thresholds: Sequence[Threshold], baseline: Run | None, tolerance: float
    ) -> Run:
        """This run with its checks."""
        checks = judge(thresholds, self.figures)
        notes = list(self.notes)
        if baseline is not None:
            label = f"baseline {baseline.id}"
            checks += compare(self.figures, baseline.figures, tolerance, label)
            if _place(baseline.machine) != _place(self.machine):
                notes.append(f"{label} was made on another machine or Python")
        return replace(self, checks=tuple(checks), notes=tuple(notes))


def worst(runs: Sequence[Run]) -> int:
    """The exit code for all of *runs*; 2 when there is none, because nothing could be measured."""
    codes = {run.exit_code for run in runs}
    return next((code for code in (130, 3, 5, 6, 0) if code in codes), 2)


def new_id(kind: str) -> str:
    """A name that sorts by time and says what it is of, e.g. `20261125-164501-api`."""
    return f"{datetime.now():%Y%m%d-%H%M%S}-{kind}"


class Runs:
    """The runs kept in a project's data folder."""

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER

    def save(self, run: Run) -> Run:
        """Keep *run*; returns it under the name it got, which no other has.

        Raises:
            Unreachable: It cannot be written.
        """
        number = 1
        name = run.id
        while (self.folder / f"{name}.json").exists():
            number += 1
            name = f"{run.id}-{number}"
        kept = replace(run, id=name)
        put(self.folder / f"{name}.json", orjson.dumps(asdict(kept)))
        return kept

    def all(self) -> list[Run]:
        """Every run that can be read, the oldest first."""
        return [read(path) for path in sorted(self.folder.glob("*.json"))]

    def find(self, name: str) -> Run:
        """The run of that id, or the latest one whose id begins or ends so; `latest` is the last.

        Raises:
            ConfigurationError: There is none.
        """
        ids = sorted(path.stem for path in self.folder.glob("*.json"))
        fitting = [i for i in ids if name in ("latest", i) or i.startswith(name)
                   or i.endswith(f"-{name}")]  # fmt: skip
        chosen = name if name in ids else fitting[-1] if fitting else ""
        if not chosen:
            way_out = unknown("run", name, ids) if ids else f"no run {name!r}: none is stored"
            raise ConfigurationError(f"{way_out}; see `workerkit loadtest runs`")
        return read(self.folder / f"{chosen}.json")

    def baseline(self, named: str) -> Run:
        """`run:ID` of this project, or a file.

        Raises:
            ConfigurationError: There is none, or it is no run.
        """
        if named.startswith("run:"):
            return self.find(named.removeprefix("run:"))
        return read(Path(named))


def read(path: Path) -> Run:
    """The run in file *path*.

    Raises:
        ConfigurationError: It cannot be read, or is none.
    """
    try:
        told: dict[str, Any] = orjson.loads(path.read_bytes())
        told["checks"] = tuple(Check(**check) for check in told["checks"])
        told["differences"] = tuple(Difference(**each) for each in told["differences"])
        told["machine"] = Machine(**told["machine"])
        told["usage"] = tuple(
            Usage(**{**each, "samples": tuple(Sample(**s) for s in each["samples"])})
            for each in told["usage"]
        )
        for name in ("notes", "curve"):
            told[name] = tuple(told[name])
        return Run(**told)
    except OSError as error:
        raise ConfigurationError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{path} is no stored run: {error}") from None


def difference(one: Run, other: Run) -> list[tuple[str, float, float]]:
    """Every figure that both have, as (name, of *one*, of *other*)."""
    return [(n, value, other.figures[n]) for n, value in one.figures.items() if n in other.figures]


def _place(machine: Machine) -> tuple[str, int, str]:
    return machine.system, machine.cores, machine.python
