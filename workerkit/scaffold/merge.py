"""Three-way merge of lines: what both sides did to a common base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

OURS, BASE, THEIRS = "<<<<<<<", "|||||||", ">>>>>>>"
"""How the lines begin that mark a conflict, as git writes them."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines *first* to *last* of the base (from 0, the last not included) become *lines*."""

    first: int
    last: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """The text, and how many places of it are in conflict."""

    text: str
    conflicts: int


def merge(base: str, ours: str, theirs: str, label: str) -> Merged:
    """*base* with the changes of both sides.

    Where both changed the same lines, or lines that touch, and not alike, the
    text has both between markers; *label* stands at the end of the last one.
    """
    lines = base.splitlines(keepends=True)
    ours_edits, theirs_edits = _edits(lines, ours), _edits(lines, theirs)
    text: list[str] = []
    at = conflicts = 0
    while ours_edits or theirs_edits:
        mine, other = _next_group(ours_edits, theirs_edits)
        first = min(edit.first for edit in [*mine, *other])
        last = max(edit.last for edit in [*mine, *other])
        text += lines[at:first]
        left, right = (_applied(lines, first, last, edits) for edits in (mine, other))
        if left == right or not other:
            text += left
        elif not mine:
            text += right
        else:
            text += _marked(left, lines[first:last], right, label)
            conflicts += 1
        at = last
    return Merged("".join([*text, *lines[at:]]), conflicts)


def has_conflict(text: str) -> bool:
    """Whether *text* still holds what `merge` writes around a conflict."""
    starts = [line[: len(OURS)] for line in text.splitlines()]
    return OURS in starts and THEIRS in starts


def _edits(base: list[str], side: str) -> list[Edit]:
    lines = side.splitlines(keepends=True)
    changes = SequenceMatcher(None, base, lines, autojunk=False).get_opcodes()
    return [Edit(b1, b2, tuple(lines[s1:s2])) for tag, b1, b2, s1, s2 in changes if tag != "equal"]


def _next_group(ours: list[Edit], theirs: list[Edit]) -> tuple[list[Edit], list[Edit]]:
    """Take off both lists the edits that come first, and all that touch them."""
    taken: tuple[list[Edit], list[Edit]] = ([], [])
    sides = (ours, theirs)
    heads = [side[0].first for side in sides if side]
    end = min(heads)
    grown = True
    while grown:
        grown = False
        for side, group in zip(sides, taken, strict=True):
            while side and side[0].first <= end:
                edit = side.pop(0)
                end = max(end, edit.last)
                group.append(edit)
                grown = True
    return taken


def _applied(base: list[str], first: int, last: int, edits: Sequence[Edit]) -> list[str]:
    """Lines *first* to *last* of *base* after *edits*, which lie within them."""
    text: list[str] = []
    for edit in edits:
        text += [*base[first : edit.first], *edit.lines]
        first = edit.last
    return [*text, *base[first:last]]


def _marked(ours: list[str], base: list[str], theirs: list[str], label: str) -> list[str]:
    parts = [(f"{OURS} yours\n", ours), (f"{BASE} before\n", base), ("=======\n", theirs)]
    text = [line for mark, lines in parts for line in (mark, *_ended(lines))]
    return [*text, f"{THEIRS} {label}\n"]


def _ended(lines: list[str]) -> list[str]:
    """*lines*, the last of them with its end: a marker follows."""
    if lines and not lines[-1].endswith("\n"):
        return [*lines[:-1], f"{lines[-1]}\n"]
    return lines
