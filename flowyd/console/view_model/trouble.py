"""The banner's text: what does not answer, and that what is shown may be old."""

from __future__ import annotations

import textwrap

#: A banner takes no more from the screen, however long the paths are that it names.
LINES = 2
#: A screen that is not laid out yet has no width; it is drawn again when it has.
_NARROWEST = 20
_SHOWING = "showing what was last seen, trying again"


def lines(*, daemon: str, swf: str, service: str, width: int) -> tuple[str, ...]:
    """What the banner says in that width; nothing while all answer.

    `daemon` and `swf` are why the one and the other cannot be asked, empty if they can; `service` is what
    answers for SWF here.
    """
    width = max(width, _NARROWEST)
    if daemon and swf:
        first = f"▲ no daemon, no {service.removeprefix('the ')}: {_SHOWING}"
        return (_cut(first, width), _cut(f"  {daemon}", width))
    if not (daemon or swf):
        return ()
    text = f"▲ {_SHOWING}: {daemon or swf}"
    found = textwrap.wrap(text, width, subsequent_indent="  ", max_lines=LINES, placeholder=" …")
    return tuple(found)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
