"""What a probe says when what it looks at does not answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps

from ...errors import WorkerkitError
from ...operate.checklist import Seen
from ..evidence import Evidence

Probe = Callable[[Evidence, Sequence[str]], Seen]


def open_on(trouble: type[WorkerkitError], way_out: str) -> Callable[[Probe], Probe]:
    """Have a probe that ends in *trouble* leave its item open, with *way_out* as the command."""

    def guard(probe: Probe) -> Probe:
        @wraps(probe)
        def guarded(evidence: Evidence, services: Sequence[str]) -> Seen:
            try:
                return probe(evidence, services)
            except trouble as error:
                return Seen("open", str(error), way_out)

        return guarded

    return guard
