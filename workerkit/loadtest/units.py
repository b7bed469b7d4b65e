"""Figures with their units: how people write them, and how they are shown."""

from __future__ import annotations

import re

from ..errors import ConfigurationError

_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0,
            "h": 3600.0}  # fmt: skip
_UNITS = {
    **_SECONDS, "%": 0.01, "/s": 1.0, "MB": 1e6, "kB": 1e3, "MB/h": 1e6, "kB/h": 1e3, "/h": 1.0,
}  # fmt: skip
_NUMBER = r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)"


def seconds(text: str, option: str) -> float:
    """*text* such as `5m`, `1.5h`, `250ms` or `30` (seconds).

    Raises:
        ConfigurationError: It is none; names *option*.
    """
    found = re.fullmatch(rf"{_NUMBER} *(\D*)", text.strip())
    if not found or found[2] not in _SECONDS:
        raise ConfigurationError(f"{option} is {text!r}, must be a duration such as 30s, 5m or 1h")
    return float(found[1]) * _SECONDS[found[2]]


def quantity(text: str) -> float | None:
    """A number with its unit in base units: `150ms` is 0.15, `0.1%` 0.001; None for neither."""
    found = re.fullmatch(rf"{_NUMBER} *(\D*)", text.strip())
    return float(found[1]) * _UNITS[found[2]] if found and found[2] in _UNITS else None


def shown(name: str, value: float) -> str:
    """The figure *name*, which is in base units, for people."""
    name = re.sub("^(inline|separated)_", "", name)
    if name.endswith("errors") or name == "cpu":
        return f"{value * 100:.3g} %"
    if name.endswith("rate"):
        return f"{value:,.1f}/s"
    if name.endswith("_slope"):
        return f"{value / 1e6:.2f} MB/h" if name.startswith("rss") else f"{value:.1f}/h"
    if re.fullmatch(r"p[0-9.]+|max|handling|.*_p[0-9.]+", name):
        return f"{value * 1000:.2f} ms" if value < 10 else f"{value:.1f} s"
    return f"{value / 1e6:,.0f} MB" if name == "memory" else f"{value:,.0f}"
