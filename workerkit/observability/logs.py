"""Logs: one JSON object a line, or text on a terminal."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import orjson

from ..core.hooks import Ran, Settled

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_COLOURS = {"WARNING": "33", "ERROR": "31", "CRITICAL": "31"}

FEW = 20
"""Batches up to this size are logged event by event; above it one line tells the sum."""


class JsonFormatter(logging.Formatter):
    """`ts level event service logger`, then whatever fields the message came with."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON; a field that is not JSON becomes text."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "ts": moment,
            "level": record.levelname,
            "event": record.getMessage(),
            "service": self.service,
            "logger": record.name,
            **fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class TextFormatter(logging.Formatter):
    """The same for people: time, level, message, fields."""

    def __init__(self, colour: bool) -> None:
        super().__init__()
        self.colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback below it when there is one."""
        moment = datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        level = f"{record.levelname:7}"
        if self.colour and record.levelname in _COLOURS:
            level = f"\033[{_COLOURS[record.levelname]}m{level}\033[0m"
        shown = " ".join(f"{key}={value}" for key, value in fields(record).items() if value != "")
        line = f"{moment} {level} {record.getMessage()}  {shown}".rstrip()
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line


class LogHook:
    """Logs what was settled: failures always, successes one by one while there are few."""

    def __init__(self) -> None:
        self.log = logging.getLogger("workerkit.events")

    def settled(self, records: Sequence[Settled]) -> None:
        """Log *records*, which are of one worker."""
        each = len(records) <= FEW
        for record in records:
            if record.outcome == "dead":
                self.log.error("event given up on", extra=_of(record))
            elif record.outcome == "parked":
                self.log.warning("event failed and will be tried again", extra=_of(record))
            elif each:
                self.log.info("event %s", record.outcome, extra=_of(record))
        if not each:
            counts: dict[str, int] = Counter(record.outcome for record in records)
            self.log.info("events settled", extra={"worker": records[0].worker, **counts})

    def ran(self, record: Ran) -> None:
        """Log how a tick ended."""
        level, text = _ENDS[record.outcome]
        shown: dict[str, Any] = {
            "worker": f"{record.service}/{record.job}",
            "tick": datetime.fromtimestamp(record.tick, UTC).isoformat(),
        }
        if record.outcome not in ("skipped", "abandoned"):
            shown["duration_s"] = round(record.duration, 6)
            shown["rows"] = record.rows
        if record.message:
            shown["error" if record.error else "reason"] = record.message
        logging.getLogger("workerkit.cron").log(level, text, extra=shown)


_ENDS = {
    "succeeded": (logging.INFO, "job succeeded"),
    "failed": (logging.ERROR, "job failed"),
    "timed_out": (logging.ERROR, "job ran into its timeout"),
    "skipped": (logging.WARNING, "tick skipped"),
    "abandoned": (logging.WARNING, "run abandoned, its process is gone"),
}


def set_up(
    form: Literal["json", "text"] | None,
    service: str,
    stream: TextIO | None = None,
    level: str = "INFO",
) -> None:
    """Send all logs of the process to *stream* (stderr); *form* None: text on a terminal only."""
    stream = stream or sys.stderr
    terminal = stream.isatty()
    handler = logging.StreamHandler(stream)
    as_json = form == "json" or (form is None and not terminal)
    handler.setFormatter(JsonFormatter(service) if as_json else TextFormatter(terminal))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("uvicorn", "watchfiles"):
        logging.getLogger(chatty).setLevel("WARNING")
    # It warns of each failed statement that others wait behind; we raise and log that.
    logging.getLogger("psycopg").setLevel("ERROR")


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a log call passed as `extra`."""
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}


def _of(record: Settled) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "worker": record.worker,
        "event_id": record.event_id,
        "topic": record.topic,
        "attempt": record.attempt,
        "duration_s": round(record.duration, 6),
    }
    if record.trace_id:
        shown["trace_id"] = record.trace_id
    if record.error:
        shown["error"] = record.message
    return shown
