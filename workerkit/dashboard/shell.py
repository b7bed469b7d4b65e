"""What is around every view: the way to the others, and the last action's outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .html import Html, join, tag
from .model import Tone
from .visit import Page


@dataclass(frozen=True, slots=True)
class Place:
    """A view in the menu; `icon` is an SVG path in a square of 24."""

    path: str
    name: str
    short: str
    icon: str


PLACES = (
    Place("/", "Overview", "Overview", "M4 12h4m8 0h4M12 8V4m0 12v4M8 8h8v8H8z"),
    Place("/events", "Events", "Events", "M4 6h16M4 12h10M4 18h13"),
    Place("/cron", "Cron", "Cron", "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zm0 3v5l4 2"),
    Place("/letters", "Dead letters", "Dead", "M3 6h18v12H3zl9 7 9-7"),
    Place("/trials", "Chaos and load", "Chaos", "M13 3 5 14h6l-1 7 8-11h-6z"),
    Place("/checklist", "Checklist", "Checklist", "M4 6l2 2 3-4M12 6h8M4 15l2 2 3-4M12 16h8"),
)
"""In the order of the menu."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an action came to, for the next page to show."""

    text: str
    tone: Tone = "good"


@dataclass(frozen=True, slots=True)
class Frame:
    """Of one server: the project's name, what the menu holds, which files belong to it.

    `version` of the style and script changes with them; `read_only` is said to the user.
    """

    name: str
    places: Sequence[Place]
    version: str
    read_only: bool

    def document(
        self, page: Page, path: str, said: Said | None, live: str = "", leave: Html | None = None
    ) -> Html:
        """The whole page at *path*; *live* is where its changes come from, *leave* logs out."""
        body = tag(
            "body",
            tag("a", "Skip to the content", href="#main", class_="skip"),
            self._header(path, leave),
            tag(
                "main",
                tag("h1", page.title),
                tag("div", _note(said), role="status", id="said"),
                [
                    tag("div", part.content, id=part.id, data_live=part.live)
                    for part in page.parts
                ],
                id="main", tabindex="-1",
            ),
            data_live=live or None,
        )  # fmt: skip
        return _whole(f"{page.title} · {self.name}", self.version, body)

    def bare(self, title: str, content: Html) -> Html:
        """A page without a menu."""
        return _whole(
            f"{title} · {self.name}", self.version,
            tag("body", tag("main", content, id="main", class_="bare")),
        )  # fmt: skip

    def _header(self, path: str, leave: Html | None) -> Html:
        items = [
            tag(
                "li",
                tag(
                    "a", icon(place.icon), tag("span", place.name, class_="long"),
                    tag("span", place.short, class_="short", aria_hidden="true"),
                    href=place.path, aria_current="page" if _is_at(place, path) else None,
                    aria_label=place.name,
                ),
            )
            for place in self.places
        ]  # fmt: skip
        return tag(
            "header",
            tag("a", tag("span", self.name, class_="project"), href="/", class_="brand"),
            tag("nav", tag("ul", items), aria_label="Views"),
            tag(
                "p",
                tag("span", "connecting", id="connection", class_="connection"),
                tag("span", "read only", class_="chip idle") if self.read_only else None,
                leave,
                class_="state",
            ),
        )


def icon(path: str) -> Html:
    """A line drawing; says nothing to those who listen."""
    return tag(
        "svg", tag("path", d=path), viewBox="0 0 24 24", class_="icon", aria_hidden="true",
        focusable="false",
    )  # fmt: skip


def _is_at(place: Place, path: str) -> bool:
    return path == place.path or (place.path != "/" and path.startswith(f"{place.path}/"))


def _note(said: Said | None) -> Html | None:
    return None if said is None else tag("p", said.text, class_=f"note {said.tone}")


def _whole(title: str, version: str, body: Html) -> Html:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("link", rel="icon", href=f"/static/icon.svg?{version}", type="image/svg+xml"),
        tag("link", rel="stylesheet", href=f"/static/page.css?{version}"),
        tag("script", src=f"/static/page.js?{version}", defer=True),
    )
    return join(Html("<!doctype html>"), tag("html", head, body, lang="en"))
