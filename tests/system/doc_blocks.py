"""The fenced blocks of a page, and a folder in which they are carried out one after the other.

What a block is stands behind its language: `file=PATH` and `append=PATH` are written; `console` blocks hold
commands after "$ " and their output, `console background` commands that go on running, `console fails` a
command that ends with an exit code other than 0, `console interrupt` a Ctrl-C for the daemon. A `pycon`
block is a doctest in a session of its own, after the lines of the page's `pycon preamble`. Other blocks are
only looked at.

In a command's output, "…" stands for anything within a line, a line of "…" for any lines, and runs of spaces
for one. What only reads (status, show, why, list, history, …) is asked again for some seconds until its
output fits, as a reader would.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 20.0
COMMAND_S = 30.0
_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_READING = re.compile(
    r"flowyd\b.* (?:(?:status|show|why|list|history|timeline|types|task-lists|workers|log)\b|quarantine$)"
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    language: str
    #: The words behind the language.
    words: tuple[str, ...]
    text: str
    line: int


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks of the page, in order."""
    text = page.read_text()
    return [
        Block(found[1], tuple(found[2].split()), found[3], text.count("\n", 0, found.start()) + 1)
        for found in _FENCE.finditer(text)
    ]


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console block."""

    line: str
    output: tuple[str, ...]


def commands_of(block: Block) -> Iterator[Command]:
    """The commands of a console block with the output that follows each."""
    lines = block.text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=False):
        yield Command(lines[start][2:], tuple(lines[start + 1 : end]))


class Reader:
    """Somebody who follows a page in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._background: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._preamble = ""
        #: Ports of the page to ports that are free here.
        self._ports: dict[str, str] = {}
        binaries = os.path.dirname(sys.executable)
        self._environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "COLUMNS": "250"}
        self._environment.pop("FLOWYD_ENDPOINT", None)

    def follow(self, block: Block) -> None:
        """Does what the block says."""
        text = self._with_free_ports(block)
        for word in block.words:
            how, _, path = word.partition("=")
            if how in ("file", "append"):
                with (self._folder / path).open("w" if how == "file" else "a") as file:
                    file.write(text if how == "file" else f"\n\n{text}")
        if block.language == "pycon":
            self._run_session(block)
        if block.language != "console":
            return
        if "interrupt" in block.words:
            self._interrupt_daemon()
        for command in commands_of(Block(block.language, block.words, text, block.line)):
            if "background" in block.words:
                self._start(command.line)
            else:
                self._run(command, fails="fails" in block.words)

    def _run_session(self, block: Block) -> None:
        if "preamble" in block.words:
            self._preamble = block.text
            return
        (self._folder / "session.txt").write_text(f"{self._preamble}\n{block.text}")
        self._run(Command("python -m doctest -o ELLIPSIS session.txt", ()), fails=False)

    def leave(self) -> None:
        """Ends everything that still runs."""
        for _, process in reversed(self._background):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for _, process in self._background:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _with_free_ports(self, block: Block) -> str:
        for port in re.findall(r"\b80\d\d\b", block.text):
            if port not in self._ports:
                with socket.create_server(("127.0.0.1", 0)) as probe:
                    self._ports[port] = str(probe.getsockname()[1])
        return re.sub(r"\b80\d\d\b", lambda found: self._ports[found[0]], block.text)

    def _run(self, command: Command, *, fails: bool) -> None:
        deadline = time.monotonic() + (PATIENCE_S if _READING.search(command.line) else 0)
        while True:
            code, printed = self._shell(command.line)
            if (code != 0) == fails and is_like(printed, command.output):
                return
            if time.monotonic() > deadline:
                expected = "\n".join(command.output)
                raise AssertionError(
                    f"$ {command.line}\nexit code {code}, printed:\n{printed}\nthe page says:\n{expected}"
                )
            time.sleep(0.2)

    def _shell(self, line: str) -> tuple[int, str]:
        """Exit code and output of a command line; 124 if it took too long."""
        try:
            done = subprocess.run(
                ["bash", "-c", line],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=COMMAND_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            return 124, f"(took longer than {COMMAND_S:g} s) {error.stdout!r}"
        return done.returncode, done.stdout

    def _start(self, line: str) -> None:
        log = self._folder / f"background-{len(self._background)}.log"
        process = subprocess.Popen(
            ["bash", "-c", f"exec env {line}"],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._background.append((line, process))
        port = re.search(r"(?:http\.server |127\.0\.0\.1:)(\d+)", line)
        if "flowyd run" in line:
            self._wait_for(line.replace(" run ", " status "), "  running  for ")
        elif port is not None and "python activities" not in line and "python workflows" not in line:
            self._wait_for(f"exec 3<>/dev/tcp/127.0.0.1/{port[1]} && echo open", "open")

    def _wait_for(self, line: str, word: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while word not in (printed := self._shell(line)[1]):
            assert time.monotonic() < deadline, f"$ {line}\n{printed}"
            time.sleep(0.1)

    def _interrupt_daemon(self) -> None:
        line, process = next(item for item in reversed(self._background) if "flowyd run" in item[0])
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0, line


def is_like(printed: str, page: tuple[str, ...]) -> bool:
    """Whether the output is what the page shows; a page that shows nothing does not care."""
    if not page:
        return True
    lines = [_spaced(line) for line in printed.splitlines()]
    return _fits(lines, [_spaced(line) for line in page])


def _fits(lines: list[str], page: list[str]) -> bool:
    if not page:
        return not any(lines)
    if page[0] == "…":
        return any(_fits(lines[skipped:], page[1:]) for skipped in range(len(lines) + 1))
    return bool(lines) and _line_fits(lines[0], page[0]) and _fits(lines[1:], page[1:])


def _line_fits(line: str, page: str) -> bool:
    pattern = ".*".join(re.escape(part.strip()) for part in page.split("…"))
    return re.fullmatch(pattern, line) is not None


def _spaced(line: str) -> str:
    return " ".join(line.split())
