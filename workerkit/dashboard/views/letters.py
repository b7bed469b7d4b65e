"""Dead letters: why they failed, and what to do with them."""

from __future__ import annotations

from ..html import Html, join, tag
from ..model import LetterLine, Letters
from ..visit import Page, Part, Visit
from ..words import ago, chip, event_path, from_now, moment, plural, pretty


def letters(visit: Visit) -> Page:
    """The latest dead letters, or the parked events."""
    parked = "parked" in visit.query
    found = visit.looks.letters(parked)
    tabs = (("/letters", "Given up on", not parked), ("/letters?parked=1", "Waiting", parked))
    switch = tag(
        "nav",
        tag("ul", [
            tag("li", tag("a", label, href=href, aria_current="true" if chosen else None))
            for href, label, chosen in tabs
        ]), class_="chips", aria_label="Kinds of letters",
    )  # fmt: skip
    return Page("Dead letters", (Part("kinds", switch, live=False),
                                 Part("letters", _listing(visit, found))))  # fmt: skip


def _listing(visit: Visit, found: Letters) -> Html:
    if not found.letters:
        words = "No event waits for another try." if found.parked else "No dead letters."
        return tag("p", words, class_="lead good")
    noun = "parked event" if found.parked else "dead letter"
    count = plural(found.total, noun)
    some = f"{len(found.letters)} of " if found.total > len(found.letters) else ""
    every = None
    if not found.parked:
        every = visit.button("replay-all", f"Replay all {found.total:,}")
    rows = [_letter(visit, letter, found.parked) for letter in found.letters]
    listing = tag("ul", rows, class_="letters")
    return join(
        tag("div", tag("p", f"{some}{count}", class_="quiet"), every, class_="actions"),
        listing if found.parked else _choosing(visit, listing),
    )


def _choosing(visit: Visit, listing: Html) -> Html:
    """The list as a form in which some can be ticked, and replayed or dropped together."""
    if visit.actions is None:
        return listing
    chosen = tag("button", "Replay the chosen", type="submit", formaction="/do/replay")
    drop = tag(
        "details", tag("summary", "Drop the chosen", class_="button"),
        tag("div", tag("p", "Dropped events never run. This cannot be undone."),
            tag("button", "Yes, drop the chosen", type="submit", formaction="/do/drop",
                class_="danger"), class_="ask"),
        class_="confirm", data_key="drop chosen",
    )  # fmt: skip
    return visit.form("replay", listing, tag("div", chosen, drop, class_="actions sticky"))


def _letter(visit: Visit, letter: LetterLine, parked: bool) -> Html:
    box = None
    if visit.actions is not None and not parked:
        box = tag("input", type="checkbox", name="id", value=letter.id, id=f"choose-{letter.id}",
                  aria_label=f"choose {letter.id} of {letter.consumer}")  # fmt: skip
    when = f"published {ago(letter.published)}"
    if letter.due is not None:
        when = f"next try {from_now(letter.due)}"
    return tag(
        "li", box,
        tag("div",
            tag("a", visit.masks.text(letter.error, letter.data) or "no error was recorded",
                href=f"/letters/{_quoted(letter.id)}", class_="error", data_key=letter.id),
            tag("p", f"{letter.consumer} · {plural(letter.attempts, 'attempt')} · {when}",
                class_="quiet")),
    )  # fmt: skip


def letter(visit: Visit) -> Page:
    """One event, for each consumer that failed on it."""
    found = visit.looks.letter(visit.path["id"])
    if not found:
        gone = tag("p", "There is no such letter any more: it was replayed or dropped. ",
                   tag("a", "All dead letters", href="/letters"))  # fmt: skip
        return Page("Dead letter", (Part("gone", gone),), 404)
    return Page("Dead letter", (Part("letter", join([_whole(visit, each) for each in found]),
                                     live=False),))  # fmt: skip


def _whole(visit: Visit, letter: LetterLine) -> Html:
    hide = visit.masks
    shown = pretty(hide.data(letter.data))
    pairs = (
        ("state", chip("dead" if letter.due is None else "parked")),
        ("consumer", letter.consumer),
        ("event", tag("a", letter.id, href=event_path(letter.id, letter.source))),
        ("topic", letter.topic),
        ("attempts", f"{letter.attempts}"),
        ("published", moment(letter.published, day=True)),
    )
    facts = tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs],
                class_="facts")  # fmt: skip
    return tag(
        "article",
        tag("p", hide.text(letter.error, letter.data), class_="lead bad small"),
        facts,
        tag("div", _actions(visit, letter), class_="actions"),
        tag("h2", "Payload"), tag("pre", shown, tabindex="0"),
        _corrected(visit, letter, shown),
        tag("h2", "Traceback"),
        tag("pre", hide.text(letter.traceback.rstrip(), letter.data) or "none", tabindex="0"),
    )  # fmt: skip


def _actions(visit: Visit, letter: LetterLine) -> Html:
    return join(
        visit.button("replay", "Replay", about=letter.id, id=letter.id),
        visit.confirmed("drop", "Drop", "A dropped event never runs. This cannot be undone.",
                        about=letter.id, id=letter.id),
    )  # fmt: skip


def _corrected(visit: Visit, letter: LetterLine, shown: str) -> Html | None:
    if visit.actions is None or visit.masks.hides(letter.data):
        return None
    form = visit.form(
        "correct",
        tag("div", tag("label", "Payload", for_=f"json-{letter.consumer}"),
            tag("textarea", shown, id=f"json-{letter.consumer}", name="json", spellcheck="false",
                rows=min(24, shown.count("\n") + 2)), class_="row"),
        tag("button", "Correct and replay", type="submit", class_="primary"),
        id=letter.id,
    )  # fmt: skip
    return tag("details", tag("summary", "Correct and replay", class_="button"), form)


def _quoted(id: str) -> str:
    return event_path(id).removeprefix("/events/")
