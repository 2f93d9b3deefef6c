"""Showing a view once, or again and again with --watch: rewritten in place on a terminal, afresh elsewhere.

In place means: up to the first line and over it, without clearing first, in one write, so nothing flickers;
what was on the screen before stays above, and the last picture stays when it ends. A service that goes away
leaves the last picture with a line that says so, and is asked again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flowyd.cli import exits
from flowyd.cli.options import PAUSE_S, REMOTE_PAUSE_S, USUAL_PAUSE
from flowyd.cli.output import Page, page_of, print_json, print_lines
from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Tone, cell
from flowyd.errors import UnreachableError

# ECMA-48, and DEC's private modes: lines that are too long are cut by the terminal instead of wrapped, as a
# wrapped line would make the count of lines to go up wrong.
_NO_WRAP, _WRAP, _ERASE_LINE, _ERASE_BELOW = "\x1b[?7l", "\x1b[?7h", "\x1b[K", "\x1b[J"
_CLEAR = "\x1b[H\x1b[2J"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What was found at one look, for machines and for people."""

    members: Callable[[], Any]
    lines: Callable[[Page], Sequence[str]]


def present(
    namespace: argparse.Namespace,
    look: Callable[[], View],
    *,
    remote: bool = False,
    pause: Callable[[float], object] = time.sleep,
) -> int:
    """Prints the view, once or until Ctrl-C; 0 either way.

    `pause` waits between two looks; it may return early if there is something to see.

    Raises:
        FlowydError: what `look` raises at the first look; later only what is not a service away for a while.
    """
    if namespace.watch is None:
        _print(look(), page_of(), as_json=namespace.json)
        return exits.DONE
    usual_s = REMOTE_PAUSE_S if remote else PAUSE_S
    pause_s = usual_s if namespace.watch == USUAL_PAUSE else namespace.watch
    try:
        _watch(look, pause_s, pause, as_json=namespace.json)
    except KeyboardInterrupt:
        if page_of().live:
            print()
    return exits.DONE


def _watch(
    look: Callable[[], View], pause_s: float, pause: Callable[[float], object], *, as_json: bool
) -> None:
    live = page_of().live and not as_json
    screen = _Screen()
    view = look()
    problem = ""
    while True:
        page = page_of()
        if live:
            screen.draw([_headline(page, pause_s, problem), *view.lines(page)], page)
        elif not problem:
            if not as_json:
                print(_headline(page, pause_s, ""))
            _print(view, page, as_json=as_json)
            print(flush=True)
        pause(pause_s)
        try:
            view, problem = look(), ""
        except UnreachableError as error:
            problem = str(error).split("\n", 1)[0]
            if not live:
                print(f"flowyd: {problem}", file=sys.stderr, flush=True)


def _print(view: View, page: Page, *, as_json: bool) -> None:
    if as_json:
        print_json(view.members())
    else:
        print_lines(view.lines(page))


def _headline(page: Page, pause_s: float, problem: str) -> str:
    now = time.time()
    said = f"{wording.moment(now, now=now)}  every {wording.duration(pause_s)}, Ctrl-C ends"
    return page.drawn(cell(f"{problem}; asking again", Tone.BAD) if problem else cell(said, Tone.DIM))


class _Screen:
    """The lines of a terminal from where the cursor was at the beginning."""

    def __init__(self) -> None:
        self._written = 0
        self._size: tuple[int | None, int] | None = None

    def draw(self, lines: Sequence[str], page: Page) -> None:
        """Writes the lines over those of the last time, as many as the screen has."""
        room = max(page.height - 1, 2)
        if len(lines) > room:
            more = len(lines) - room + 1
            lines = [*lines[: room - 1], page.drawn(cell(f"… {wording.plural(more, 'more line')}", Tone.DIM))]
        size = (page.width, page.height)
        # A terminal of another size has wrapped or moved what was there: nobody knows where it begins.
        resized = self._size is not None and self._size != size
        up = _CLEAR if resized else f"\r\x1b[{self._written}A" if self._written else "\r"
        body = "".join(f"{line}{_ERASE_LINE}\n" for line in lines)
        sys.stdout.write(f"{_NO_WRAP}{up}{body}{_ERASE_BELOW}{_WRAP}")
        sys.stdout.flush()
        self._written, self._size = len(lines), size
