"""Writing to a terminal or into a pipe: how wide, with colours or not, and JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TextIO

from flowyd.console.view_model.cells import Cell, Part, Tone, one_line

#: Tones as SGR parameters (ECMA-48) of the 16 colours every terminal has.
_SGR = {
    Tone.DIM: "2",
    Tone.STRONG: "1",
    Tone.GOOD: "32",
    Tone.BUSY: "36",
    Tone.WAITING: "34",
    Tone.WARN: "33",
    Tone.BAD: "31",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a command writes on."""

    #: Characters in a line; None: as many as it takes, as in a pipe or a file.
    width: int | None
    #: Lines on the screen.
    height: int
    colours: bool
    #: Somebody looks: lines may be rewritten.
    live: bool

    def drawn(self, content: Cell) -> str:
        """The cell's text, with colours where there are any."""
        if not self.colours:
            return "".join(part.text for part in content)
        return "".join(_coloured(part) for part in content)


def page_of(stream: TextIO | None = None) -> Page:
    """The page that a stream is, stdout if None is given. NO_COLOR and TERM=dumb mean no colours."""
    out = stream if stream is not None else sys.stdout
    terminal = out.isatty()
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    size = shutil.get_terminal_size()
    return Page(
        width=size.columns if terminal or "COLUMNS" in os.environ else None,
        height=size.lines,
        colours=terminal and not dumb and not os.environ.get("NO_COLOR"),
        live=terminal and not dumb,
    )


def print_json(value: Any) -> None:
    """One JSON text on stdout, and nothing else."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_lines(lines: Iterable[str]) -> None:
    """Lines on stdout."""
    for line in lines:
        print(line)


def safe(text: str) -> str:
    """Text of others without control characters, line breaks kept."""
    return "\n".join(one_line(line.expandtabs(4)) for line in text.splitlines())


def _coloured(part: Part) -> str:
    code = _SGR.get(part.tone)
    return f"\x1b[{code}m{part.text}\x1b[0m" if code and part.text.strip() else part.text
