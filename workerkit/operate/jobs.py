"""What people ask about cron jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..core.loading import unknown
from ..cron.expression import EPOCH
from ..cron.ledger import Run
from ..cron.line import Entry
from ..errors import ConfigurationError
from ..storage.runs import JobRow, SqlLedger


@dataclass(frozen=True, slots=True)
class Job:
    """A job as `cron list` shows it; `next` are RFC 3339 times in the job's own zone."""

    name: str
    schedule: str
    words: str
    zone: str
    next: tuple[str, ...]
    paused_by: str | None
    last: Run | None


def describe_jobs(
    entries: Mapping[str, Entry], ledgers: Mapping[str, SqlLedger], now: float, count: int = 3
) -> list[Job]:
    """Every job of *entries*; a service without a ledger in *ledgers* has run none yet."""
    rows = {name: row for ledger in ledgers.values() for name, row in ledger.rows().items()}
    found = []
    for name, entry in entries.items():
        row, ledger = rows.get(name), ledgers.get(name.partition("/")[0])
        times = next_times(entry, row, datetime.fromtimestamp(now, UTC), count)
        runs = ledger.history(name, 20) if ledger else []
        last = next((run for run in runs if run.state != "skipped"), None)
        found.append(
            Job(
                name=name,
                schedule=str(entry.expression),
                words=entry.expression.words(),
                zone=str(entry.expression.zone),
                next=tuple(moment.isoformat() for moment in times),
                paused_by=row.paused_by if row else None,
                last=last,
            )
        )
    return found


def next_times(entry: Entry, row: JobRow | None, after: datetime, count: int) -> list[datetime]:
    """The next *count* ticks after *after*, in the job's zone; intervals go on from the last."""
    anchor = EPOCH
    if row is not None and row.last_tick is not None:
        anchor = datetime.fromtimestamp(row.last_tick, UTC)
    times: list[datetime] = []
    while len(times) < count:
        moment = entry.expression.next(times[-1] if times else after, anchor)
        if moment is None:
            break
        times.append(moment.astimezone(entry.expression.zone))
    return times


def find_job(entries: Mapping[str, Entry], name: str) -> Entry:
    """The job *name*, with or without its service in front.

    Raises:
        ConfigurationError: There is none, or there are several.
    """
    wanted = name.replace("-", "_") if name.replace("-", "_") in _names(entries) else name
    found = [e for full, e in entries.items() if wanted in (full, full.partition("/")[2])]
    if len(found) > 1:
        raise ConfigurationError(f"which job? {', '.join(entry.name for entry in found)}")
    if not found:
        raise ConfigurationError(unknown("job", name, _names(entries)))
    return found[0]


def read_moment(text: str, entry: Entry, option: str) -> datetime:
    """An ISO 8601 time; without an offset it is told by the clock of the job's zone.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{option} {text!r}: must be a time such as 2026-03-29T02:30"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=entry.expression.zone)


def _names(entries: Mapping[str, Entry]) -> Sequence[str]:
    return sorted({name.partition("/")[2] for name in entries})
