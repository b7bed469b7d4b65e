"""One request for a view: what it may look at, and whether it may act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .html import Child, Html, tag
from .masking import Masks
from .model import Actions, Looks


@dataclass(frozen=True, slots=True)
class Visit:
    """`actions` is None where nothing may be changed; `form_token` goes into every form.

    `path` are the parts of the address that have a name, `query` is what comes behind it.
    """

    looks: Looks
    actions: Actions | None
    masks: Masks
    form_token: str
    path: Mapping[str, str]
    query: Mapping[str, str]

    def form(self, action: str, *children: Child, **hidden: str) -> Html:
        """A form that posts to *action*; empty where nothing may be changed."""
        if self.actions is None:
            return Html("")
        fields = {"form": self.form_token, **hidden}
        inputs = [tag("input", type="hidden", name=k, value=v) for k, v in fields.items()]
        return tag("form", inputs, children, method="post", action=f"/do/{action}")

    def button(self, action: str, label: str, *, about: str = "", **hidden: str) -> Html:
        """A form that is one button; *about* is read aloud behind the label."""
        spoken = f"{label} {about}" if about else None
        return self.form(action, tag("button", label, type="submit", aria_label=spoken), **hidden)

    def confirmed(
        self, action: str, label: str, question: str, *, about: str = "", **hidden: str
    ) -> Html:
        """The same behind a question, for what cannot be undone."""
        if self.actions is None:
            return Html("")
        spoken = f"{label} {about}" if about else None
        really = tag("button", f"Yes, {label.lower()}", type="submit", class_="danger")
        return tag(
            "details", tag("summary", label, class_="button", aria_label=spoken),
            tag("div", tag("p", question), self.form(action, really, **hidden), class_="ask"),
            class_="confirm", data_key=f"{action} {about}",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a page; a live one is sent again whenever it changes."""

    id: str
    content: Html
    live: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """What a view shows."""

    title: str
    parts: tuple[Part, ...]
    status: int = 200
