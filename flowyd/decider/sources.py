"""Which line of the author's code is being run."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import FrameType
from typing import Any

_OURS = ("flowyd.sdk.", "flowyd.decider.", "flowyd.testing.")
_LIBRARY = ("contextlib",)


@dataclass(frozen=True, slots=True)
class Line:
    """A place in a source file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else ""


def _is_authors(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__", "")
    return not (module.startswith(_OURS) or module in _LIBRARY)


def calling_line() -> Line:
    """The innermost line of code that is not flowyd's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _is_authors(frame):
        frame = frame.f_back
    return Line(frame.f_code.co_filename, frame.f_lineno) if frame else Line("", 0)


def raising_line(error: BaseException) -> Line:
    """The innermost line of the author's code that the exception passed through."""
    found = Line("", 0)
    traceback: Any = error.__traceback__
    while traceback is not None:
        if _is_authors(traceback.tb_frame):
            found = Line(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found
