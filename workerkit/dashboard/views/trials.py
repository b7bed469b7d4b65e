"""Chaos and load: start one, watch it, read what came out."""

from __future__ import annotations

from collections.abc import Sequence

from ..drawing import curve
from ..html import Html, join, tag
from ..model import Offer, Trial
from ..visit import Page, Part, Visit
from ..words import TONES, chip, duration, moment

_WORDS = {"pass": "It held.", "fail": "It did not hold.", "not proven": "Not proven."}


def trials(visit: Visit) -> Page:
    """What runs now, what there is to start, and what came out before."""
    found = visit.looks.trials()
    idle = found.running is None
    return Page(
        "Chaos and load",
        (
            Part("running", _running(visit, found.running)),
            Part("offers", _offers(visit, found.scenarios, found.loads) if idle else Html("")),
            Part("past", _past(found.past)),
        ),
    )


def _running(visit: Visit, trial: Trial | None) -> Html:
    if trial is None:
        return Html("")
    stop = visit.button("stop", "Stop") if trial.kind == "load" else None
    return tag(
        "section", tag("h2", trial.title, " ", chip("running")),
        tag("p", f"{trial.phase or 'starting'}, {duration(max(1.0, trial.seconds))} so far",
            class_="times"),
        _figures(trial), [curve(each) for each in trial.curves],
        tag("div", stop, class_="actions") if stop else None, class_="card",
    )  # fmt: skip


def _offers(visit: Visit, scenarios: Sequence[Offer], loads: Sequence[Offer]) -> Html:
    words = ("Each runs on a copy with data and ports of its own: nothing here is touched. "
             "A load test of a project that runs goes into its own data.")  # fmt: skip
    return tag(
        "section", tag("h2", "Start"), tag("p", words, class_="quiet"),
        tag("ul", [_offer(visit, "load", each) for each in loads], class_="offers"),
        _scenarios(visit, scenarios),
    )  # fmt: skip


def _scenarios(visit: Visit, scenarios: Sequence[Offer]) -> Html:
    fit = [_offer(visit, "play", each) for each in scenarios if not each.unfit]
    unfit = [_offer(visit, "play", each) for each in scenarios if each.unfit]
    other = tag("ul", unfit, class_="offers")
    summary = tag("summary", f"{len(unfit)} that cannot be played here")
    more = tag("details", summary, other, class_="unfit", data_key="unfit") if unfit else None
    return join(tag("ul", fit, class_="offers") if fit else None, more)


def _offer(visit: Visit, action: str, offer: Offer) -> Html:
    button = None
    if not offer.unfit:
        button = visit.button(action, "Start", about=offer.name, name=offer.name)
    return tag(
        "li", tag("div", tag("strong", offer.name), tag("p", offer.unfit or offer.words,
                                                        class_="quiet")), button,
    )  # fmt: skip


def _past(past: Sequence[Trial]) -> Html:
    if not past:
        return Html("")
    rows = [
        tag("li", moment(each.at, day=True), chip(each.result),
            tag("a", each.title, href=f"/trials/{each.id}", data_key=each.id),
            tag("span", duration(each.seconds), class_="quiet") if each.seconds else None)
        for each in past
    ]  # fmt: skip
    return tag("section", tag("h2", "Past runs"), tag("ol", rows, class_="runs"))


def trial(visit: Visit) -> Page:
    """One run with its verdict and its curves."""
    found = visit.looks.trial(visit.path["id"])
    if found is None:
        gone = tag("p", "No such run is kept. ", tag("a", "All runs", href="/trials"))
        return Page("Run", (Part("gone", gone, live=False),), 404)
    reasons = tag("ul", [tag("li", each) for each in found.reasons]) if found.reasons else None
    whole = join(
        tag("p", _WORDS.get(found.result, found.result), class_=f"lead {TONES[found.result]}"),
        tag("p", chip(found.result), " ", moment(found.at, day=True), class_="times"),
        reasons, _figures(found), [curve(each) for each in found.curves],
    )  # fmt: skip
    return Page(found.title, (Part("trial", whole, live=False),))


def _figures(trial: Trial) -> Html:
    pairs = [
        tag("div", tag("dt", name), tag("dd", tag("span", value, class_="figure")))
        for name, value in trial.figures
    ]
    return tag("dl", pairs, class_="figures") if pairs else Html("")
