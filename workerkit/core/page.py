"""An HTML page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:760px;margin:2em auto;padding:0 1em}
svg{width:100%;font:11px system-ui,sans-serif;fill:currentColor}
table{border-collapse:collapse;margin:.5em 0}td,th{padding:.15em .8em .15em 0;text-align:left}
.ok{color:#2da44e}.fail{color:#da3633}.unknown{color:#9a6700}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}}
"""


def document(title: str, parts: Iterable[str]) -> str:
    """The whole page; *parts* are HTML, *title* is text."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>{''.join(parts)}</html>\n"
    )


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts; empty without a row."""
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    head = "".join(f"<th>{escape(title)}" for title in titles)
    return f"<table><tr>{head}</tr>{body}</table>" if body else ""
