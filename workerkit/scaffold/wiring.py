"""Puts a worker into a `wire.py`, by its syntax tree: what a person wrote there stays."""

from __future__ import annotations

import ast

from ..errors import ConfigurationError
from .templates import WorkerClass


def with_worker(source: str, worker: WorkerClass, path: str) -> str:
    """*source* with *worker* imported, built, and given to `Service(...)`.

    The import goes where sorted imports have it, the worker to the end of its list.

    Raises:
        ConfigurationError: *source* is not such that this can be done; says what
            to write by hand.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise ConfigurationError(f"{path}:{error.lineno}: {error.msg}") from None
    by_hand = f"put {worker.cls}() into it by hand"
    call = _service_call(tree)
    if call is None:
        raise ConfigurationError(f"{path}: wire() has no one Service(...) call; {by_hand}")
    text = _Text(source)
    _give(text, call, worker, f"{path}:{call.lineno}", by_hand)
    _import(text, tree, worker)
    after = text.text()
    try:
        ast.parse(after)
    except SyntaxError:
        raise ConfigurationError(f"{path}:{call.lineno}: {by_hand}") from None
    return after


class _Text:
    """Source whose places are told as `ast` tells them: lines from 1, columns in UTF-8 bytes."""

    def __init__(self, source: str) -> None:
        self.lines = [line.encode("utf-8") for line in source.splitlines(keepends=True)]
        self._inserted: list[tuple[int, int, int, str]] = []

    def indent(self, line: int) -> str:
        """The blanks that line *line* begins with."""
        text = self.lines[line - 1].decode("utf-8")
        return text[: len(text) - len(text.lstrip())]

    def insert(self, line: int, column: int, text: str) -> None:
        """Put *text* there, once `text` is asked for; behind what was put there before."""
        self._inserted.append((line, column, len(self._inserted), text))

    def follow(self, node: ast.expr, text: str) -> None:
        """Put *text* behind *node* and a comma; what begins with a new line, behind a comment."""
        line, column = node.end_lineno or 0, node.end_col_offset or 0
        rest = self.lines[line - 1][column:]
        if rest.lstrip(b" ").startswith(b","):
            column += rest.index(b",") + 1
        else:
            self.insert(line, column, ",")
        rest = self.lines[line - 1][column:]
        if text.startswith("\n") and rest.strip()[:1] in (b"", b"#"):
            column += len(rest.rstrip(b"\r\n"))
        self.insert(line, column, text)

    def text(self) -> str:
        """The source with all that was inserted."""
        lines = list(self.lines)
        for line, column, _, text in sorted(self._inserted, reverse=True):
            there = lines[line - 1] if line <= len(lines) else b""
            changed = there[:column] + text.encode("utf-8") + there[column:]
            lines[line - 1 : line] = [changed]
        return b"".join(lines).decode("utf-8")


def _service_call(tree: ast.Module) -> ast.Call | None:
    wires = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "wire"
    ]
    calls = [
        node
        for wire in wires
        for node in ast.walk(wire)
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == "Service")
            or (isinstance(node.func, ast.Attribute) and node.func.attr == "Service")
        )
    ]
    return calls[0] if len(calls) == 1 else None


def _give(text: _Text, call: ast.Call, worker: WorkerClass, place: str, by_hand: str) -> None:
    keywords = {each.arg: each.value for each in call.keywords}
    given = keywords.get(worker.keyword)
    if given is None:
        if None in keywords:
            raise ConfigurationError(f"{place}: Service(**...) hides its arguments; {by_hand}")
        _add_argument(text, call, keywords, worker)
    elif isinstance(given, ast.List):
        _add_element(text, given, worker)
    else:
        raise ConfigurationError(f"{place}: {worker.keyword} is no list in brackets; {by_hand}")


def _add_element(text: _Text, given: ast.List, worker: WorkerClass) -> None:
    if not given.elts:
        text.insert(given.lineno, given.col_offset + 1, f"{worker.cls}()")
        return
    last = given.elts[-1]
    if given.lineno == given.end_lineno:
        text.follow(last, f" {worker.cls}()")
    else:
        text.follow(last, f"\n{text.indent(last.lineno)}{worker.cls}(),")


def _add_argument(
    text: _Text, call: ast.Call, keywords: dict[str | None, ast.expr], worker: WorkerClass
) -> None:
    """Behind the events or the API, as the templates have it, else behind the first argument."""
    arguments = [*call.args, *(each.value for each in call.keywords)]
    if not arguments:
        end, column = call.end_lineno or 0, (call.end_col_offset or 0) - 1
        text.insert(end, column, f"{worker.keyword}=[{worker.cls}()]")
        return
    names = ["events", "api"] if worker.kind == "cron" else ["api"]
    there = [keywords[name] for name in names if name in keywords]
    before = (there or call.args[-1:] or arguments)[0]
    if call.lineno == call.end_lineno:
        more = "" if before is arguments[-1] else ","
        text.follow(before, f" {worker.keyword}=[{worker.cls}()]{more}")
        return
    indent = text.indent(arguments[-1].lineno)
    lines = [f"{worker.keyword}=[", f"    {worker.cls}(),", "],"]
    text.follow(before, "".join(f"\n{indent}{each}" for each in lines))


def _import(text: _Text, tree: ast.Module, worker: WorkerClass) -> None:
    module = f"worker.{worker.kind}.{worker.module}"
    statement = f"from .{module} import {worker.cls}\n"
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    relative = [node for node in imports if isinstance(node, ast.ImportFrom) and node.level == 1]
    behind = [node for node in relative if (node.module or "") > module]
    if behind:
        text.insert(behind[0].lineno, 0, statement)
        return
    at = max([0, *(node.end_lineno or 0 for node in imports)])
    if not imports and ast.get_docstring(tree) is not None:
        at = tree.body[0].end_lineno or 0
    text.insert(at + 1, 0, statement if relative or not at else f"\n{statement}")
