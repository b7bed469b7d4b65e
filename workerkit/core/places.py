"""Where in the project's own code a process is at this moment; what hangs is found so."""

from __future__ import annotations

import sys
import threading
from collections.abc import Coroutine, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from .user_code import place_of


def places(folder: Path, coroutines: Iterable[Coroutine[Any, Any, Any]] = ()) -> tuple[str, ...]:
    """Thread by thread, the deepest line below *folder*, e.g. `pricing#0: rules.py:7 in decide`.

    Threads that are elsewhere are left out, and the main one, which only waits.
    *coroutines* are those of an event loop, each with what it awaits.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    names.pop(threading.main_thread().ident, None)
    stacks = {
        name: list(_callers(frame))
        for ident, frame in sys._current_frames().items()
        if (name := names.get(ident))
    }
    found = [(name, place_of(frames, folder)) for name, frames in sorted(stacks.items())]
    found += [("async", place_of(list(_awaited(each))[::-1], folder)) for each in coroutines]
    return tuple(f"{name}: {place}" for name, place in found if place)


def _callers(frame: FrameType | None) -> Iterator[FrameType]:
    """*frame*, and those that it was called from."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _awaited(coroutine: Any) -> Iterator[FrameType]:
    """The frames from *coroutine* down to what it waits for; of a running one there is none."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None:
            yield frame
        coroutine = getattr(coroutine, "cr_await", None)
