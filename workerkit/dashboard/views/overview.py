"""Overview: what is wrong now, the system as a drawing, and every worker."""

from __future__ import annotations

from ..drawing import sparkline
from ..graph import graph
from ..html import Html, join, tag
from ..model import Overview, WorkerLine
from ..visit import Page, Part, Visit
from ..words import NONE, breakable, chip, duration, plural, rate

_SHOWN = 40
"""Workers that are shown, what is wrong first; all of them are behind a link."""


def overview(visit: Visit) -> Page:
    """The first view."""
    seen = visit.looks.overview()
    return Page(
        "Overview",
        (
            Part("troubles", _troubles(seen)),
            Part("figures", _figures(seen)),
            Part("system", _system(seen)),
            Part("workers", _workers(seen, every="workers" in visit.query)),
        ),
    )


def _troubles(seen: Overview) -> Html:
    if not seen.troubles:
        if not seen.workers:
            return tag("p", "Nothing runs yet.", class_="lead idle")
        return tag("p", "All is well.", class_="lead good")
    count = plural(len(seen.troubles), "thing")
    worst = "bad" if any(t.tone == "bad" for t in seen.troubles) else "warn"
    need = "needs" if len(seen.troubles) == 1 else "need"
    items = [
        tag("li", chip({"bad": "now", "warn": "soon"}.get(t.tone, ""), t.tone), " ",
            tag("a", t.text, href=t.href) if t.href else t.text)
        for t in seen.troubles
    ]  # fmt: skip
    return tag(
        "section", tag("p", f"{count} {need} you.", class_=f"lead {worst}"),
        tag("ul", items, class_="troubles"), aria_label="What is wrong now",
    )  # fmt: skip


def _figures(seen: Overview) -> Html:
    shown = (
        ("events a second", f"{seen.rate:,.0f}", sparkline(seen.trend, "events a second"), ""),
        ("waiting", f"{seen.lag:,}", None, ""),
        ("parked", f"{seen.parked:,}", None, "/letters?parked=1"),
        ("dead letters", f"{seen.dead:,}", None, "/letters"),
        ("in outboxes", f"{seen.outbox:,}", None, ""),
    )
    pairs = [
        tag("div", tag("dt", tag("a", name, href=href) if href else name),
            tag("dd", tag("span", value, class_="figure"), drawn))
        for name, value, drawn, href in shown
    ]  # fmt: skip
    return tag("dl", pairs, class_="figures")


def _system(seen: Overview) -> Html:
    if not seen.nodes:
        return Html("")
    return tag(
        "section", tag("h2", "System"),
        tag("div", graph(seen), class_="scroll", tabindex="0", role="region",
            aria_label="The system as a drawing"),
    )  # fmt: skip


def _workers(seen: Overview, *, every: bool) -> Html:
    shown = seen.workers if every else seen.workers[:_SHOWN]
    if not shown:
        hint = "Start them: `workerkit dev`, or `workerkit run`."
        return tag("section", tag("h2", "Workers"), tag("p", hint, class_="quiet"))
    link = None
    if len(shown) < len(seen.workers):
        link = tag("p", tag("a", f"Show all {len(seen.workers):,}", href="/?workers=all"))
    return tag("section", tag("h2", "Workers"), _table(shown), link)


def _table(workers: tuple[WorkerLine, ...]) -> Html:
    titles = ("Worker", "State", "Rate", "Waiting", "Oldest", "Done", "Failed")
    head = tag("tr", [tag("th", title, scope="col") for title in titles])
    return tag(
        "div", tag("table", tag("thead", head), tag("tbody", [_row(w) for w in workers])),
        class_="scroll", tabindex="0", role="region", aria_label="Workers",
    )  # fmt: skip


def _row(worker: WorkerLine) -> Html:
    cron = worker.kind == "cron"
    full = worker.name if "/" in worker.name else f"{worker.service}/{worker.name}"
    name = breakable(full)
    if cron:
        name = tag("a", name, href=f"/cron/{full}", data_key=full)
    name = join(name, tag("span", f" :{worker.port}", class_="quiet"))
    trend = sparkline(worker.trend, "rate") if not cron else None
    return tag(
        "tr",
        tag("th", name, scope="row"),
        tag("td", chip(worker.status, worker.tone)),
        tag("td", NONE if cron else tag("span", trend, rate(worker.rate), class_="trend")),
        tag("td", NONE if cron else f"{worker.lag:,}"),
        tag("td", duration(worker.oldest) if worker.lag and not cron else NONE),
        tag("td", f"{worker.processed:,}"),
        tag("td", f"{worker.failed:,}", class_="bad" if worker.failed else None),
    )
