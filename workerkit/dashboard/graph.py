"""Draws services and the topics between them: who publishes on the left, who handles on the right.

Drawn twice, from left to right and from top to bottom; the style sheet shows the one that fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .drawing import spark_path
from .html import Html, tag
from .model import Flow, Node, Overview
from .words import rate

_SIZES = {"topic": (206, 34), "source": (120, 34)}
_WIDE, _HEAD, _FACT, _SPARK = 178, 42, 17, 32
"""Of a service: its width, and the heights of its name, of each fact, and of its curve."""

_GAP, _RANK_GAP, _EDGE = 22, 84, 12
_ABREAST = 2
"""Nodes beside each other on a small screen."""

_TURNS = 4
"""Passes that put nodes near their neighbours; more change nothing for some dozen nodes."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a node is drawn."""

    node: Node
    x: float
    y: float
    width: float
    height: float


def ranks(nodes: Sequence[Node], flows: Sequence[Flow]) -> dict[str, int]:
    """How far from the beginning each node is: one more than the furthest before it.

    Of a way that comes back to where it has been, the last flow does not count.
    """
    into: dict[str, list[str]] = {node.id: [] for node in nodes}
    for flow in flows:
        if flow.start in into and flow.end in into:
            into[flow.end].append(flow.start)
    found: dict[str, int] = {}
    under_way: set[str] = set()

    def rank(id: str) -> int:
        if id not in found:
            under_way.add(id)
            before = [rank(each) for each in into[id] if each not in under_way]
            under_way.remove(id)
            found[id] = max(before, default=-1) + 1
        return found[id]

    return {node.id: rank(node.id) for node in nodes}


def ordered(nodes: Sequence[Node], flows: Sequence[Flow]) -> list[list[Node]]:
    """The nodes by rank; within one near to what they are connected with."""
    rank = ranks(nodes, flows)
    rows: list[list[Node]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for node in nodes:
        rows[rank[node.id]].append(node)
    near: dict[str, list[str]] = {node.id: [] for node in nodes}
    for flow in flows:
        if flow.start in near and flow.end in near:
            near[flow.start].append(flow.end)
            near[flow.end].append(flow.start)
    place = {node.id: n / len(row) for row in rows for n, node in enumerate(row)}
    for _ in range(_TURNS):
        for row in rows:
            row.sort(key=lambda node: _mean([place[o] for o in near[node.id]], place[node.id]))
            place.update({node.id: (n + 0.5) / len(row) for n, node in enumerate(row)})
    return [row for row in rows if row]


def _mean(places: Sequence[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise


def layout(rows: Sequence[Sequence[Node]], *, down: bool) -> tuple[list[Box], float, float]:
    """The boxes, and the size of the whole; *down* puts ranks below each other."""
    boxes: list[Box] = []
    depth = float(_EDGE)
    breadth = max((sum(_extent(n, down) + _GAP for n in row) - _GAP for row in rows), default=0)
    for row in rows:
        thick = max(_size(node)[down] for node in row)
        along = _EDGE + (breadth - sum(_extent(n, down) + _GAP for n in row) + _GAP) / 2
        for node in row:
            width, height = _size(node)
            across = depth + (thick - (height if down else width)) / 2
            x, y = (along, across) if down else (across, along)
            boxes.append(Box(node, x, y, width, height))
            along += _extent(node, down) + _GAP
        depth += thick + _RANK_GAP * (0.6 if down else 1)
    depth += _EDGE - _RANK_GAP * (0.6 if down else 1)
    size = (breadth + 2 * _EDGE, depth)
    return boxes, *(size if down else (size[1], size[0]))


def _extent(node: Node, down: bool) -> float:
    """How much room a node takes beside its neighbours."""
    width, height = _size(node)
    return width if down else height


def _size(node: Node) -> tuple[int, int]:
    if node.kind != "service":
        return _SIZES[node.kind]
    return _WIDE, _HEAD + _FACT * len(node.facts) + (_SPARK if len(node.trend) > 1 else 0)


def graph(overview: Overview) -> Html:
    """Both drawings."""
    ends = {id for flow in overview.flows for id in (flow.start, flow.end)}
    alone = [node for node in overview.nodes if node.id not in ends]
    rows = ordered([node for node in overview.nodes if node.id in ends], overview.flows)
    wide = [[*rows[0], *alone], *rows[1:]] if rows else [alone]
    narrow = [row[n : n + _ABREAST] for row in (*rows, alone) for n in range(0, len(row), _ABREAST)]
    return tag(
        "div",
        _drawing(wide, overview.flows, down=False),
        _drawing(narrow, overview.flows, down=True),
        class_="graph",
    )


def _drawing(rows: Sequence[Sequence[Node]], flows: Sequence[Flow], *, down: bool) -> Html:
    boxes, width, height = layout(rows, down=down)
    by_id = {box.node.id: box for box in boxes}
    drawn = [_edge(flow, by_id, down) for flow in flows]
    return tag(
        "svg",
        tag("g", drawn, class_="flows"),
        tag("g", [_box(box) for box in boxes]),
        viewBox=f"0 0 {width:.0f} {height:.0f}", width=f"{width:.0f}", height=f"{height:.0f}",
        class_="down" if down else "across", role="group",
        aria_label="Services and the topics between them",
    )  # fmt: skip


def _box(box: Box) -> Html:
    node, middle = box.node, box.height / 2
    inner: list[Html] = [
        tag("rect", width=box.width, height=box.height, rx=8 if node.kind == "service" else 17,
            class_="body")
    ]  # fmt: skip
    if node.kind == "service":
        if len(node.trend) > 1:
            spark = spark_path(node.trend, box.width - 2, 30)
            inner.append(tag("g", spark, transform=f"translate(1,{box.height - 31})",
                             class_="spark"))  # fmt: skip
        inner.append(tag("circle", cx=18, cy=22, r=5, class_="dot"))
        inner.append(_text(node.name, 32, 27, 17, "name"))
        inner += [_text(fact, 14, 47 + 17 * n, 26, "fact") for n, fact in enumerate(node.facts)]
    else:
        inner.append(
            tag("text", _cut(node.name, 26 if node.kind == "topic" else 14), x=box.width / 2,
                y=middle + 4.5, text_anchor="middle", class_="name")
        )  # fmt: skip
    spoken = f"{node.kind} {node.name}, {node.tone}" + "".join(f", {fact}" for fact in node.facts)
    group = tag("g", tag("title", spoken), inner, class_=f"node {node.kind} {node.tone}",
                transform=f"translate({box.x:.1f},{box.y:.1f})")  # fmt: skip
    if not node.href:
        return group
    return tag("a", group, href=node.href, data_key=node.id)


def _edge(flow: Flow, boxes: Mapping[str, Box], down: bool) -> Html:
    if flow.start not in boxes or flow.end not in boxes:
        return Html("")
    a, b = boxes[flow.start], boxes[flow.end]
    if down:
        x1, y1, x2, y2 = a.x + a.width / 2, a.y + a.height, b.x + b.width / 2, b.y
        bend = (y2 - y1) / 2
        path = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"  # noqa: E501
    else:
        x1, y1, x2, y2 = a.x + a.width, a.y + a.height / 2, b.x, b.y + b.height / 2
        bend = (x2 - x1) / 2
        path = f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"  # noqa: E501
    flowing = bool(flow.rate)
    label = None
    if flow.rate is not None:
        text = f"{'≥ ' if flow.at_least else ''}{rate(flow.rate)}"
        label = tag("text", text, x=f"{(x1 + x2) / 2:.1f}", y=f"{(y1 + y2) / 2 - 5:.1f}",
                    text_anchor="middle", class_="rate")  # fmt: skip
    return tag("g", tag("path", d=path, class_="flow" + (" moving" if flowing else "")), label)


def _text(text: str, x: float, y: float, most: int, class_: str) -> Html:
    return tag("text", _cut(text, most), x=x, y=y, class_=class_)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
