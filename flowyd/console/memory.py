"""What the console remembers from one visit to the next: the theme, and each workflow type's last input.

One small JSON file in the user's state directory. Losing it costs nothing, so a file that cannot be read or
written is left alone.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

#: Inputs longer than this are not remembered.
LONGEST_INPUT = 8_192


def default_file() -> Path:
    """The file in the user's state directory (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "flowyd" / "console.json"


class Memory:
    """Reads the file once, writes it at each change."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._members: dict[str, Any] = {}

    def load(self) -> Memory:
        """Reads the file, if there is one."""
        if self._file is None:
            return self
        try:
            members = json.loads(self._file.read_text())
        except (OSError, ValueError) as error:
            logger.debug("nothing remembered: %s", error)
        else:
            self._members = members if isinstance(members, dict) else {}
        return self

    @property
    def theme(self) -> str:
        theme = self._members.get("theme")
        return theme if isinstance(theme, str) else ""

    def remember_theme(self, theme: str) -> None:
        """Keeps the theme for the next visit."""
        if theme != self.theme:
            self._members["theme"] = theme
            self._save()

    def last_input(self, name: str, version: str) -> str:
        """The input the type was last started with; empty when it never was."""
        inputs = self._members.get("inputs")
        found = inputs.get(f"{name} {version}") if isinstance(inputs, dict) else None
        return found if isinstance(found, str) else ""

    def remember_input(self, name: str, version: str, text: str) -> None:
        """Keeps an input for the type's next form."""
        if len(text) <= LONGEST_INPUT:
            inputs = self._members.setdefault("inputs", {})
            inputs[f"{name} {version}"] = text
            self._save()

    def _save(self) -> None:
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._file.with_suffix(".new")
            fresh.write_text(json.dumps(self._members, indent=1))
            fresh.replace(self._file)
        except OSError as error:
            logger.debug("nothing is remembered: %s", error)
