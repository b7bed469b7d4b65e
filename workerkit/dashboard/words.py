"""Numbers, times and states as people read them."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from .html import Html, join, tag
from .model import Tone

TONES: dict[str, Tone] = {
    "running": "good", "applied": "good", "succeeded": "good", "pass": "good", "duplicate": "good",
    "paused": "idle", "waiting": "idle", "skipped": "idle", "": "idle", "cannot be read": "bad",
    "parked": "warn", "degraded": "warn", "abandoned": "warn", "not proven": "warn",
    "silent": "warn", "dead": "bad", "failed": "bad", "timed_out": "bad", "fail": "bad",
    "gone": "bad", "foreign": "bad", "stopped": "bad",
}  # fmt: skip
"""How good a state is; what is not here is idle."""

_SHAPES: dict[Tone, str] = {"good": "●", "warn": "▲", "bad": "■", "idle": "○"}


NONE = "-"
"""Where there is no value."""


def chip(state: str, tone: Tone | None = None) -> Html:
    """A state as a word with a colour, and a shape for those who see no colours."""
    chosen = tone or TONES.get(state, "idle")
    shape = tag("span", _SHAPES[chosen], aria_hidden="true", class_="shape")
    return tag("span", shape, " ", state.replace("_", " "), class_=f"chip {chosen}")


def duration(seconds: float) -> str:
    """About two digits: 3.2 ms, 850 ms, 1.4 s, 12 s, 4 min, 2 h, 3 d."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.{1 if seconds < 0.0095 else 0}f} ms"
    if seconds < 99.5:
        return f"{seconds:.{1 if seconds < 9.95 else 0}f} s"
    for limit, divisor, unit in ((5970, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def rate(value: float | None) -> str:
    """Events a second, with a digit behind the point while there are few."""
    if value is None:
        return NONE
    return f"{value:.1f}/s" if 0 < value < 10 else f"{value:,.0f}/s"


def plural(number: int, noun: str) -> str:
    """A count with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def moment(seconds: float, *, day: bool = False) -> Html:
    """A time of day by this machine's clock; with the *day*, or when it is not today."""
    local = datetime.fromtimestamp(seconds).astimezone()
    same = local.date() == datetime.now().date()
    text = f"{local:%H:%M:%S}" if same and not day else f"{local:%Y-%m-%d %H:%M:%S}"
    return tag("time", text, datetime=local.isoformat(timespec="milliseconds"))


def from_now(seconds: float) -> str:
    """A coming time: now, in 42 s, in 3 h."""
    left = round(seconds - time.time())
    return "now" if left <= 0 else f"in {_whole(left)}"


def ago(seconds: float) -> str:
    """A time that is over: now, 5 s ago."""
    passed = round(time.time() - seconds)
    return "now" if passed <= 0 else f"{_whole(passed)} ago"


def _whole(seconds: int) -> str:
    return f"{seconds} s" if seconds < 100 else duration(seconds)


def pretty(data: Any) -> str:
    """JSON over several lines; what is none, as text."""
    try:
        return orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return str(data)


def brief(data: Any, most: int = 160) -> str:
    """JSON in one line, cut."""
    try:
        text = orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        text = str(data)
    return text if len(text) <= most else f"{text[:most]}…"


def breakable(name: str) -> Html:
    """A name that may be broken over lines behind its separators."""
    return join(
        [join(piece, tag("wbr")) for piece in re.findall(r"[^/_.-]*[/_.-]?", name) if piece]
    )


def event_path(id: str, source: str = "") -> str:
    """Where an event's story is; ids are any text."""
    return f"/events/{quote(id, safe='')}" + (f"?source={quote(source, safe='')}" if source else "")
