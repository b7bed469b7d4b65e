"""Runs a job because somebody asks for it, and tells how it goes: both ends of the wire."""

from __future__ import annotations

import http.client
import logging
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..cron.ledger import Begun, Run
from ..cron.runner import CURRENT_RUN
from ..errors import StorageError, Unreachable
from .logs import TextFormatter

PATH = "/worker/jobs/{job}/trigger"

Trigger = Callable[[str, float, Callable[[Run], None]], Begun]
"""Claims a tick (epoch seconds) of a job by hand, and tells how it ended."""


class RunLines(logging.Handler):
    """Hands *line* what is logged by one run, and by no other."""

    def __init__(self, tick: float, line: Callable[[str], None]) -> None:
        super().__init__()
        self.tick = tick
        self._line = line
        self.setFormatter(TextFormatter(colour=False))

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the run's own code says it."""
        run = CURRENT_RUN.get()
        return run is not None and run.tick == self.tick and run.trigger == "manual"

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on a line."""
        self._line(self.format(record))

    def __enter__(self) -> RunLines:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)


def trigger_route(service: str, jobs: set[str], trigger: Trigger) -> Route:
    """`POST /worker/jobs/JOB/trigger?tick=SECONDS`: lines of JSON until the run is over.

    The first has `verdict` and `run`; then come `log` lines, and `run` as it
    ended. A run goes on when its asker has gone. Without `tick` it is now.
    """

    def answer(request: Request) -> Response:
        name = f"{service}/{request.path_params['job']}"
        if name not in jobs:
            return JSONResponse({"error": f"no job {name}"}, 404)
        try:
            tick = float(request.query_params.get("tick", round(time.time(), 3)))
        except ValueError:
            return JSONResponse({"error": "tick must be epoch seconds"}, 400)
        told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        lines = RunLines(tick, lambda text: told.put({"log": text}))

        def ended(run: Run) -> None:
            lines.__exit__()
            told.put({"run": asdict(run)})

        lines.__enter__()
        try:
            begun = trigger(name, tick, ended)
        except StorageError as error:
            lines.__exit__()
            return JSONResponse({"error": str(error)}, 503)
        if begun.verdict != "ours":
            lines.__exit__()
        return StreamingResponse(_lines(begun, told), media_type="application/x-ndjson")

    return Route(PATH, answer, methods=["POST"])


def _lines(begun: Begun, told: queue.SimpleQueue[dict[str, Any]]) -> Iterator[bytes]:
    yield orjson.dumps({"verdict": begun.verdict, "run": asdict(begun.run)}) + b"\n"
    while begun.verdict == "ours":
        line = told.get()
        yield orjson.dumps(line) + b"\n"
        if "run" in line:
            return


def ask_worker(
    port: int, job: str, tick: float | None, *, wait: bool, line: Callable[[str], None]
) -> tuple[Begun, Run | None]:
    """Have the worker on *port* of this machine run *job*; how it began, and ended if waited for.

    Raises:
        Unreachable: It does not answer, or refuses.
    """
    path = f"/worker/jobs/{quote(job.partition('/')[2])}/trigger"
    path += "" if tick is None else f"?tick={tick!r}"
    # Between two lines of a run there may be hours: only its first answer is waited for so long.
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30.0)) as connection:
        try:
            connection.request("POST", path, headers={"content-length": "0"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise Unreachable(f"the worker on port {port}: {_problem(answer.read())}")
            first = orjson.loads(answer.readline())
            begun = Begun(first["verdict"], Run(**first["run"]))
            if begun.verdict != "ours" or not wait:
                return begun, None
            connection.sock.settimeout(None)
            for text in iter(answer.readline, b""):
                told = orjson.loads(text)
                if "run" in told:
                    return begun, Run(**told["run"])
                line(told["log"])
        except (OSError, http.client.HTTPException, orjson.JSONDecodeError) as error:
            raise Unreachable(f"the worker on port {port}: {error}") from None
    raise Unreachable(f"the worker on port {port} ended in the middle of the run")


def _problem(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["error"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "does not know such a request; is it another version?"
