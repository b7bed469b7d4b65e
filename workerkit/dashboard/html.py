"""HTML in which text stays text: whatever is no `Html` is escaped on its way in."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_VOID = frozenset({"br", "input", "link", "meta", "wbr"})


class Html(str):
    """Markup that was made here, and so may go out as it is."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]
"""What an element may hold; None is nothing."""


def tag(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """An element of HTML or SVG.

    Attributes: an underscore at the end is dropped (`class_`), one in the
    middle becomes a hyphen; True stands alone, None and False are left out.
    """
    start = f"<{name}{''.join(_attribute(*each) for each in attributes.items())}>"
    if name in _VOID:
        return Html(start)
    return Html(f"{start}{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """*children* behind each other."""
    return Html("".join(map(_shown, children)))


def _shown(child: Child) -> str:
    if isinstance(child, Html):
        return child
    if child is None:
        return ""
    if isinstance(child, str | int | float):
        return escape(str(child))
    return "".join(map(_shown, child))


def _attribute(name: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    return f" {written}" if value is True else f' {written}="{escape(str(value))}"'
