"""Questions on a terminal; Ctrl-C and the end of the input interrupt, as they do elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

NONE = "-"


def ask(question: str, usual: str, check: Callable[[str], str]) -> str:
    """The answer, asked for again while *check* raises ConfigurationError."""
    from ..errors import ConfigurationError  # noqa: PLC0415

    def checked(text: str) -> str:
        try:
            return check(text.strip())
        except ConfigurationError as error:
            raise typer.BadParameter(str(error)) from None

    with _interruptible():
        answer: str = typer.prompt(question, default=usual, value_proc=checked, err=True)
    return answer


def ask_or_none(question: str, usual: str, check: Callable[[str], str]) -> str:
    """The same; empty when the answer is that there shall be none."""
    question = f"{question} ({NONE} for none)"
    return ask(question, usual, lambda text: "" if text == NONE else check(text))


def agreed(question: str, *, usual: bool = True) -> bool:
    """Whether the answer is yes; an empty one is the *usual*."""
    with _interruptible():
        return typer.confirm(question, default=usual)


@contextmanager
def _interruptible() -> Iterator[None]:
    """typer makes exit code 1 of an interrupted question, and 130 of anything else."""
    try:
        yield
    except typer.Abort:
        raise KeyboardInterrupt from None
