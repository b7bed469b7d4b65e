"""A small vocabulary of Grafana panels, and the JSON that Grafana reads.

The format is Grafana's dashboard model of schema version 39 (Grafana 10.4 and
newer); a newer Grafana brings it up to date as it loads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

SCHEMA = 39

COLUMNS = 24
"""Units of width of Grafana's grid."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Kind = Literal["timeseries", "stat", "heatmap", "status-history"]


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and how a series of its answer is called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture; `limit` is where it turns red, in the unit of its values.

    `unit` is one of Grafana's, e.g. `s`, `bytes`, `percentunit`. `width` of
    COLUMNS. Of a status history, series that match `red` are failures.
    """

    title: str
    words: str
    queries: Sequence[Query]
    kind: Kind = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 8
    limit: float | None = None
    stacked: bool = False
    red: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading, and the panels below it from left to right."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice above the panels: the values of *label* of the series of *metric*."""

    name: str
    metric: str
    label: str

    def as_json(self) -> dict[str, Any]:
        """One or more values, or all of them."""
        query = f"label_values({self.metric}, {self.label})"
        return {
            "name": self.name, "label": self.name, "type": "query", "datasource": SOURCE,
            "query": {"query": query, "refId": self.name}, "definition": query,
            "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Board:
    """A whole dashboard; *marks* are series whose presence is drawn into every panel."""

    uid: str
    title: str
    words: str
    rows: Sequence[Row]
    variables: Sequence[Variable]
    marks: Sequence[Query] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """As Grafana imports it, and as its provisioning reads it from a file."""
        return {
            "uid": self.uid, "title": self.title, "description": self.words,
            "schemaVersion": SCHEMA, "version": 1, "editable": True, "graphTooltip": 1,
            "refresh": "30s", "time": {"from": "now-3h", "to": "now"}, "timezone": "browser",
            "tags": ["workerkit"], "links": [],
            "templating": {"list": [_SOURCES, *(each.as_json() for each in self.variables)]},
            "annotations": {"list": [_mark(query) for query in self.marks]},
            "panels": list(_placed(self.rows)),
        }  # fmt: skip

    def text(self) -> str:
        """The JSON, indented: what goes into a file."""
        return orjson.dumps(self.as_json(), option=orjson.OPT_INDENT_2).decode() + "\n"

    def exprs(self) -> list[str]:
        """All PromQL in it, as it stands there."""
        panels = [panel for row in self.rows for panel in row.panels]
        queries = [query for panel in panels for query in panel.queries]
        return [query.expr for query in [*queries, *self.marks]]


_SOURCES = {
    "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
    "refresh": 1, "current": {},
}  # fmt: skip


def _mark(query: Query) -> dict[str, Any]:
    return {
        "name": "Alerts", "datasource": SOURCE, "enable": True, "iconColor": "red",
        "expr": query.expr, "titleFormat": query.legend, "step": "60s",
    }  # fmt: skip


def _placed(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """The rows' panels, each with its number and its place on the grid."""
    top, number = 0, 0
    for row in rows:
        number += 1
        yield {
            "id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [],
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
        }  # fmt: skip
        top, left, height = top + 1, 0, 0
        for panel in row.panels:
            number += 1
            if left + panel.width > COLUMNS:
                top, left, height = top + height, 0, 0
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            yield {"id": number, **_panel(panel), "gridPos": place}
            left, height = left + panel.width, max(height, panel.height)
        top += height


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.words,
        "datasource": SOURCE,
        "targets": [_target(panel, query, number) for number, query in enumerate(panel.queries)],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit, "thresholds": _thresholds(panel), **_LOOKS[panel.kind](panel)
            },
            "overrides": _reds(panel) if panel.red else [],
        },
        "options": _OPTIONS[panel.kind],
    }  # fmt: skip


def _target(panel: Panel, query: Query, number: int) -> dict[str, Any]:
    return {
        "refId": "ABCDEFGH"[number],
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": "heatmap" if panel.kind == "heatmap" else "time_series",
        "instant": panel.kind == "stat",
        "range": panel.kind != "stat",
    }


def _thresholds(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    if panel.kind == "status-history":
        steps = [{"color": "transparent", "value": None}, {"color": "green", "value": 0.5}]
    return {"mode": "absolute", "steps": steps}


def _reds(panel: Panel) -> list[dict[str, Any]]:
    steps = [{"color": "transparent", "value": None}, {"color": "red", "value": 0.5}]
    value = {"mode": "absolute", "steps": steps}
    return [
        {
            "matcher": {"id": "byRegexp", "options": panel.red},
            "properties": [{"id": "thresholds", "value": value}],
        }
    ]


def _lines(panel: Panel) -> dict[str, Any]:
    custom: dict[str, Any] = {
        "drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never",
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if panel.limit is not None else "off"},
    }  # fmt: skip
    return {"min": 0, "color": {"mode": "palette-classic"}, "custom": custom}


_LOOKS: dict[Kind, Callable[[Panel], dict[str, Any]]] = {
    "timeseries": _lines,
    "stat": lambda panel: {"color": {"mode": "thresholds"}},
    "heatmap": lambda panel: {"custom": {"hideFrom": {}, "scaleDistribution": {"type": "linear"}}},
    "status-history": lambda panel: {
        "color": {"mode": "thresholds"}, "custom": {"fillOpacity": 80, "lineWidth": 0},
    },
}  # fmt: skip

_OPTIONS: dict[Kind, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value", "graphMode": "none", "textMode": "auto",
    },
    "heatmap": {
        "calculate": False, "yAxis": {"unit": "s", "axisPlacement": "left"},
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5},
        "cellGap": 1, "filterValues": {"le": 1e-9}, "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": False},
    },
    "status-history": {
        "showValue": "never", "rowHeight": 0.8, "legend": {"showLegend": False},
        "tooltip": {"mode": "single"},
    },
}  # fmt: skip
