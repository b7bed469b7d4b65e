"""Where in a project's own code an error began, or something is."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import FrameType


def where_it_failed(error: BaseException, folder: Path) -> str:
    """*error* in one line, with file and line of the deepest frame below *folder*."""
    message = str(error).strip().partition("\n")[0]
    said = f"{type(error).__name__}: {message}" if message else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename, folder)}:{error.lineno}: SyntaxError: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    root = folder.resolve()
    ours = [f for f in frames if _inside(f.filename, root)]
    if not ours:
        return said
    return f"{_shown(ours[-1].filename, folder)}:{ours[-1].lineno}: {said}"


def place_of(frames: Iterable[FrameType], folder: Path) -> str:
    """File, line and function of the first of *frames* below *folder*; empty when none is."""
    root = folder.resolve()
    for frame in frames:
        code = frame.f_code
        if _inside(code.co_filename, root):
            return f"{_shown(code.co_filename, folder)}:{frame.f_lineno} in {code.co_name}"
    return ""


@lru_cache(maxsize=4096)  # to resolve a path takes 30 us, and a process has hundreds of frames
def _inside(filename: str, root: Path) -> bool:
    path = Path(filename)
    if not path.is_absolute() or not path.resolve().is_relative_to(root):
        return False
    return "site-packages" not in path.parts


def _shown(filename: str, folder: Path) -> str:
    path, root = Path(filename).resolve(), folder.resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else filename
