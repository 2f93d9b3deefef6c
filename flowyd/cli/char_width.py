"""How many columns of a terminal a text takes: CJK and most emoji take two, combining marks none.

The tables are those of rich, which Textual brings along. They cost 10 ms to load, so a text of characters
that are known to be narrow is counted without them.
"""

from __future__ import annotations

import re

#: A character that may be other than one column wide: whatever is neither Latin, Greek or Cyrillic, nor
#: punctuation, nor one of the arrows, boxes and signs that flowyd itself writes.
_UNUSUAL = re.compile(
    "[^\u0020-\u007e\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0482\u2010-\u2027\u2190-\u21ff\u2298"
    "\u2500-\u25fc\u2713-\u2718\u2934-\u2937\u2800-\u28ff⚑✉‼]"
)


def width(text: str) -> int:
    """The columns the text takes."""
    if text.isascii() or _UNUSUAL.search(text) is None:
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, columns: int) -> str:
    """As much of the beginning of the text as `columns` hold; a wide character is not split."""
    if width(text) <= columns:
        return text
    if text.isascii() or _UNUSUAL.search(text) is None:
        return text[: max(columns, 0)]
    from rich.cells import chop_cells

    return chop_cells(text, columns)[0].rstrip("\u200d") if columns > 1 else ""
