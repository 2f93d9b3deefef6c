"""Where a key stands in the text of a TOML file, so that a message can name the line.

A scan, not a parser: the file has been parsed before. It knows table headers, arrays of tables and
`key = value` lines, and passes over text in triple quotes. What it does not recognise has no line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*([A-Za-z0-9_\-."' ]+?)\s*=""")
_TRIPLE = re.compile(r'"""|' + "'''")

#: The table's name, which of its kind it is (0 for tables given once), and the key ("" for the header).
Place = tuple[str, int, str]


def lines_of(text: str) -> Mapping[Place, int]:
    """The line, from 1, of every header and key that the scan recognises."""
    found: dict[Place, int] = {}
    counts: dict[str, int] = {}
    table, index, inside = "", 0, False
    for line_number, line in enumerate(text.splitlines(), start=1):
        was_inside, inside = inside, inside ^ (len(_TRIPLE.findall(line)) % 2 == 1)
        if was_inside:
            continue
        if header := _HEADER.match(line):
            name = _bare(header[2])
            table, _, inner = name.partition(".")
            if header[1] == "[[" and not inner:
                counts[table] = counts.get(table, -1) + 1
            index = counts.get(table, 0)
            found.setdefault((table, index, inner), line_number)
            table = name
        elif key := _KEY.match(line):
            name = _bare(f"{table}.{key[1]}" if table else key[1])
            outer, _, inner = name.partition(".")
            found.setdefault((outer, index if table else 0, inner.partition(".")[0]), line_number)
            found.setdefault((outer, index if table else 0, inner), line_number)
    return found


def _bare(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))
