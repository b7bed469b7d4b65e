"""Line charts as inline SVG: no script, no font, no network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 12, 12, 46
_COLOURS = ("#1f6feb", "#d29922", "#da3633", "#2da44e", "#8250df", "#6e7781")

Points = Sequence[tuple[float, float]]


def chart(
    lines: Mapping[str, Points],
    *,
    across: Callable[[float], str],
    up: Callable[[float], str],
    label: str,
    marks: Sequence[float] = (),
    bands: Sequence[tuple[float, float, str]] = (),
) -> str:
    """Each of *lines* by its name; *across* and *up* write the numbers at the axes.

    *marks* are the places that get one, else both ends do; *bands* are shaded
    from a place to another one, under their name. Read aloud it is *label*.
    Empty when there is no point to draw.
    """
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top = max(*(y for _, y in points), 1e-12)
    step = _step(top)
    top = math.ceil(top / step) * step

    def place(x: float, y: float) -> tuple[float, float]:
        part = (x - left) / (right - left) if right > left else 0.5
        return (
            _LEFT + part * (WIDTH - _LEFT - _RIGHT),
            HEIGHT - _BOTTOM - y / top * (HEIGHT - _TOP - _BOTTOM),
        )

    drawn = [_grid(place(left, n * step)[1], up(n * step)) for n in range(round(top / step) + 1)]
    drawn += [
        f'<text x="{place(x, 0)[0]:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="{anchor}">'
        f"{escape(across(x))}</text>"
        for x, anchor in _anchored(marks or (left, right))
    ]
    drawn += [_band(place(start, 0)[0], place(end, 0)[0], name) for start, end, name in bands]
    for number, (name, line) in enumerate(lines.items()):
        drawn.append(_line(name, [place(x, y) for x, y in line], number))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
        f"{''.join(drawn)}</svg>"
    )


def _anchored(places: Sequence[float]) -> list[tuple[float, str]]:
    """Texts at the ends must not stick out."""
    inner = [(place, "middle") for place in places[1:-1]]
    return [(places[0], "start"), *inner, (places[-1], "end")]


def _line(name: str, places: Sequence[tuple[float, float]], number: int) -> str:
    colour = _COLOURS[number % len(_COLOURS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    x = _LEFT + number * 150
    return (
        f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{path}"/>'
        f'<rect x="{x}" y="{HEIGHT - 14}" width="10" height="10" fill="{colour}"/>'
        f'<text x="{x + 14}" y="{HEIGHT - 5}">{escape(name)}</text>'
    )


def _band(left: float, right: float, name: str) -> str:
    return (
        f'<rect x="{left:.1f}" y="{_TOP}" width="{max(1.5, right - left):.1f}" '
        f'height="{HEIGHT - _TOP - _BOTTOM}" fill="#da3633" opacity="0.2">'
        f"<title>{escape(name)}</title></rect>"
        f'<text x="{left:.1f}" y="{_TOP - 2}">{escape(name)}</text>'
    )


def _grid(y: float, text: str) -> str:
    return (
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8884"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>'
    )


def _step(highest: float) -> float:
    """1, 2 or 5 times a power of ten, so that there are three to seven lines up to *highest*."""
    rough = highest / 4
    power: float = 10 ** math.floor(math.log10(rough))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= rough)
