"""A console in a real terminal: tmux draws it, keys go in as typed, the text on the screen comes out."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

TMUX = shutil.which("tmux")
#: Wide enough for every column.
SIZE = ("160", "48")


class TerminalSession:
    """One console in a tmux server of its own."""

    def __init__(self, folder: Path) -> None:
        assert TMUX is not None
        self._server = [TMUX, "-S", str(folder / "tmux.sock"), "-f", "/dev/null"]
        self._folder = folder

    def open(self, config: Path, *, environment: Mapping[str, str] | None = None) -> None:
        """Starts the console on the daemon of that configuration."""
        given = {"XDG_STATE_HOME": str(self._folder), **(environment or {})}
        command = [sys.executable, "-m", "flowyd", "--config", str(config), "console"]
        # These would hide the terminal's own size.
        words = [
            "env",
            "-u",
            "COLUMNS",
            "-u",
            "LINES",
            *(f"{name}={value}" for name, value in given.items()),
            *command,
        ]
        self._tmux("new-session", "-d", "-s", "console", "-x", SIZE[0], "-y", SIZE[1], *words)

    def close(self) -> None:
        """Ends the terminal and the console in it."""
        subprocess.run([*self._server, "kill-server"], capture_output=True, check=False)

    def press(self, *keys: str) -> None:
        """Presses keys by tmux's names, such as Enter or C-t."""
        self._tmux("send-keys", "-t", "console", *keys)

    def type(self, text: str) -> None:
        """Types the text."""
        self._tmux("send-keys", "-t", "console", "-l", text)

    @property
    def screen(self) -> str:
        """The text on the screen."""
        return self._tmux("capture-pane", "-p", "-t", "console")

    def until(self, look: str | Callable[[str], object], *, within_s: float = 30.0) -> str:
        """The screen once it shows the words, or `look` at it is true; fails with what it shows."""
        deadline = time.monotonic() + within_s
        while True:
            seen = self.screen
            if (look in seen) if isinstance(look, str) else look(seen):
                return seen
            assert time.monotonic() < deadline, f"not within {within_s} s: {look}; the screen:\n{seen}"
            time.sleep(0.05)

    def _tmux(self, *words: str) -> str:
        done = subprocess.run([*self._server, *words], capture_output=True, text=True, timeout=20, check=True)
        return done.stdout
