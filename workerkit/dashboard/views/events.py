"""Events: the live stream, one event's story, and forms that publish."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from ..drawing import waterfall
from ..forms import inputs
from ..html import Html, join, tag
from ..model import Draft, EventLine, Line, Story, Stream
from ..visit import Page, Part, Visit
from ..words import brief, chip, event_path, moment, plural, pretty


def events(visit: Visit) -> Page:
    """The latest events of all topics, or of one."""
    stream = visit.looks.stream(visit.query.get("topic", ""))
    return Page("Events", (Part("tools", _tools(visit, stream), live=False),
                           Part("stream", _stream(visit, stream))))  # fmt: skip


def _tools(visit: Visit, stream: Stream) -> Html:
    chips = [_topic("", "all topics", not stream.topic)]
    chips += [_topic(topic, topic, topic == stream.topic) for topic in stream.topics]
    send = None
    if visit.actions is not None:
        where = f"/publish?topic={quote(stream.topic, safe='')}" if stream.topic else "/publish"
        send = tag("a", "Send an event", href=where, class_="button primary")
    return join(
        tag("div", send, class_="actions"),
        tag("nav", tag("ul", [tag("li", each) for each in chips]), class_="chips",
            aria_label="Topics"),
        tag("div", tag("label", "Show only events with", for_="filter"),
            tag("input", type="search", id="filter", data_filter="stream", autocomplete="off",
                placeholder="an id, a state, a piece of the payload"), class_="row"),
    )  # fmt: skip


def _topic(topic: str, label: str, chosen: bool) -> Html:
    href = f"/events?topic={quote(topic, safe='')}" if topic else "/events"
    return tag("a", label, href=href, aria_current="true" if chosen else None)


def _stream(visit: Visit, stream: Stream) -> Html:
    note = None
    if stream.at_most is not None:
        note = tag(
            "p", f"More than {stream.at_most:,.0f} events a second: this is a sample of them.",
            class_="note warn",
        )  # fmt: skip
    if not stream.events:
        return join(note, tag("p", "No event yet. Publish one, and it shows up here.",
                              class_="quiet"))  # fmt: skip
    return join(
        note, tag("ol", [_line(visit, event) for event in stream.events], class_="stream"),
        tag("p", "None of these fits.", class_="quiet none", hidden=True),
    )  # fmt: skip


def _line(visit: Visit, event: EventLine) -> Html:
    data = brief(visit.masks.data(event.data))
    return tag(
        "li",
        moment(event.published),
        chip(event.state or "nobody listens"),
        tag("a", event.topic, href=event_path(event.id, event.source), data_key=event.id),
        tag("code", event.problem or data, class_="data"),
        tag("span", event.source or "no source", class_="quiet source"),
    )


def story(visit: Visit) -> Page:
    """One event from its publication to what followed from it."""
    id = visit.path["id"]
    told = visit.looks.story(id, visit.query.get("source", ""))
    if told is None:
        missing = join(
            tag("p", "This page has not seen the event ", tag("code", id), "."),
            tag("p", "It keeps the latest few thousand, since it was started. Whether the event "
                     "was given up on, ", tag("a", "dead letters", href="/letters"), " tell."),
        )  # fmt: skip
        # Under the names of the story's parts, so that it can still take their place.
        names = ("waterfall", "lines", "payload")
        return Page("Event", (Part("facts", missing), *(Part(n, Html("")) for n in names)), 404)
    parts = [
        Part("facts", _facts(told.event)),
        Part("waterfall", tag("section", tag("h2", "Story"), waterfall(_masked(visit, told)))),
        Part("lines", _lines(visit, told)),
        Part("payload", _payload(visit, told.event), live=False),
    ]
    return Page(told.event.topic, tuple(parts))


def _masked(visit: Visit, told: Story) -> Story:
    hide = visit.masks
    steps = tuple(
        replace(s, words=hide.text(s.words, told.event.data),
                detail=hide.text(s.detail, told.event.data))
        for s in told.steps
    )  # fmt: skip
    return replace(told, steps=steps)


def _facts(event: EventLine) -> Html:
    pairs = (
        ("state", chip(event.state or "nobody listens")),
        ("id", tag("code", event.id)),
        ("source", tag("code", event.source or "none")),
        ("type", tag("code", event.type)),
        ("published", moment(event.published, day=True)),
    )
    return tag(
        "dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs],
        class_="facts",
    )  # fmt: skip


def _lines(visit: Visit, told: Story) -> Html:
    if not told.recorded:
        words = "Log lines are kept by `workerkit dev` alone."
        return tag("section", tag("h2", "Log"), tag("p", words, class_="quiet"))
    masked = [Line(x.at, x.who, visit.masks.text(x.text, told.event.data)) for x in told.lines]
    return tag("section", tag("h2", "Log"), lines(masked))


def lines(said: list[Line]) -> Html:
    """What processes said, as a list."""
    if not said:
        return tag("p", "Nothing was logged.", class_="quiet")
    items = [
        tag("li", moment(line.at), tag("span", line.who, class_="quiet"), tag("code", line.text))
        for line in said
    ]
    return tag("ol", items, class_="log")


def _payload(visit: Visit, event: EventLine) -> Html:
    shown = pretty(visit.masks.data(event.data))
    again: Html | None = None
    if visit.actions is not None and not event.problem:
        again = visit.button(
            "again", "Publish again", about=event.id, id=event.id, source=event.source
        )
        if visit.masks.hides(event.data):
            words = "Fields are hidden here, so the payload cannot be edited."
            again = join(again, tag("p", words, class_="quiet"))
        else:
            again = join(again, _edited(visit, event.topic, shown))
    return tag("section", tag("h2", "Payload"), tag("pre", shown, tabindex="0"),
               tag("div", again, class_="actions"))  # fmt: skip


def _edited(visit: Visit, topic: str, shown: str) -> Html:
    form = visit.form(
        "publish",
        tag("div", tag("label", "Payload", for_="json"),
            tag("textarea", shown, id="json", name="json", rows=min(24, shown.count("\n") + 2),
                spellcheck="false"), class_="row"),
        tag("button", "Publish edited", type="submit", class_="primary"),
        topic=topic,
    )  # fmt: skip
    return tag("details", tag("summary", "Edit and publish", class_="button"), form)


def publish(visit: Visit) -> Page:
    """Choose a topic, then a form that its payload's model makes."""
    topics = visit.looks.topics()
    chosen = visit.query.get("topic", "") or (topics[0] if len(topics) == 1 else "")
    picker = tag(
        "nav",
        tag("ul", [
            tag("li", tag("a", each, href=f"/publish?topic={quote(each, safe='')}",
                          aria_current="true" if each == chosen else None))
            for each in topics
        ]), class_="chips", aria_label="Topics",
    )  # fmt: skip
    if visit.actions is None:
        words = tag("p", "This page may only look. Start it with --allow-actions to publish.")
        return Page("Send an event", (Part("form", words, live=False),))
    if not topics:
        picker = tag("p", "No worker listens to any topic yet.", class_="quiet")
    form = _draft(visit, visit.looks.draft(chosen)) if chosen else Html("")
    return Page("Send an event", (Part("picker", picker, live=False),
                                  Part("form", form, live=False)))  # fmt: skip


def _draft(visit: Visit, draft: Draft) -> Html:
    found = inputs(draft)
    to = plural(len(draft.consumers), "consumer")
    words = tag("p", f"Goes to {to}: {', '.join(draft.consumers) or 'nobody listens'}.",
                class_="quiet")  # fmt: skip
    problem = tag("p", draft.problem, class_="note warn") if draft.problem else None
    as_json = tag(
        "div", tag("label", "Payload as JSON", for_="json"),
        tag("textarea", pretty(draft.data), id="json", name="json", rows=10, spellcheck="false"),
        class_="row",
    )  # fmt: skip
    send = tag("button", "Publish", type="submit", class_="primary")
    raw = visit.form("publish", as_json, send, topic=draft.topic)
    if found is None:
        return join(words, problem, raw)
    form = visit.form("publish", found, tag("button", "Publish", type="submit", class_="primary"),
                      topic=draft.topic)  # fmt: skip
    other = tag("details", tag("summary", "Write it as JSON instead"), raw)
    return join(words, problem, form, other)
