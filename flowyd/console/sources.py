"""Finds the signature of a served workflow type in the sources on this machine. Reads files, runs no code."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from flowyd.console.view_model.signatures import Signature, signatures

logger = logging.getLogger(__name__)

#: A directory of modules holds fewer files than this; more would be no directory of modules.
MOST_FILES = 2_000


def find_signature(directories: Iterable[Path], name: str, version: str) -> Signature | None:
    """The signature of the type's `run`, or None where its source is not here or cannot be read."""
    for file in _files(directories):
        try:
            source = file.read_text()
        except (OSError, ValueError) as error:
            logger.debug("%s is not read: %s", file, error)
            continue
        if "workflow" not in source:
            continue
        for found in signatures(source, file=str(file)):
            if (found.name, found.version) == (name, version):
                return found
    return None


def line_of(directories: Iterable[Path], at: str) -> str:
    """The text of the line `FILE:NUMBER`; empty unless the file lies in one of the directories.

    The place comes from an execution's context, which anyone may have written: no other file is read.
    """
    name, _, number = at.rpartition(":")
    if not (name and number.isascii() and number.isdigit()):
        return ""
    file = Path(name).resolve()
    if not any(file.is_relative_to(directory.resolve()) for directory in directories):
        return ""
    try:
        lines = file.read_text().splitlines()
    except (OSError, ValueError) as error:
        logger.debug("%s is not read: %s", file, error)
        return ""
    place = int(number) - 1
    return lines[place].strip() if 0 <= place < len(lines) else ""


def _files(directories: Iterable[Path]) -> Iterator[Path]:
    count = 0
    for directory in directories:
        for file in sorted(directory.rglob("*.py")) if directory.is_dir() else ():
            count += 1
            if count > MOST_FILES:
                return
            yield file
