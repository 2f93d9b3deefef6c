"""Completion in real shells: bash on a terminal, zsh and fish where they are installed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.running_daemon import RunningDaemon, daemon_in


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with daemon_in(tmp_path_factory.mktemp("daemon")) as daemon:
        daemon.close_of(daemon.begin("tutorial", 3, workflow_id="order 66"))
        yield daemon


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which `flowyd` is this one."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "flowyd"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m flowyd "$@"\n')
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


class Terminal:
    """A shell on a terminal, typed into."""

    def __init__(self, *command: str, path: str) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.environ.update(TERM="dumb", PATH=path, PS1="ready> ")
            os.execvp(command[0], command)
        # Wide enough that no line is folded.
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 500, 0, 0))
        self._seen = ""
        self.wait("ready> ")

    def wait(self, pattern: str, *, within_s: float = 30.0) -> str:
        """What was written up to the pattern since the last wait."""
        deadline = time.monotonic() + within_s
        while not (found := re.search(pattern, self._seen)):
            assert time.monotonic() < deadline, self._seen
            if select.select([self._fd], [], [], 0.5)[0]:
                self._seen += os.read(self._fd, 65_536).decode(errors="replace")
        before, self._seen = self._seen[: found.end()], self._seen[found.end() :]
        return before

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def close(self) -> None:
        os.close(self._fd)
        os.waitpid(self._pid, 0)


@pytest.fixture
def bash(path: str) -> Iterator[Terminal]:
    terminal = Terminal("bash", "--norc", "--noprofile", "-i", path=path)
    terminal.type("source <(flowyd completion bash)\n")
    terminal.wait("ready> ")
    yield terminal
    terminal.close()


def test_bash_completes_a_command(bash: Terminal) -> None:
    bash.type("flowyd timel\t")

    assert bash.wait(r"flowyd timeline ")


def test_bash_completes_the_value_of_an_option_after_an_equals_sign(bash: Terminal) -> None:
    bash.type("flowyd list --status=comp\t")

    assert bash.wait("--status=completed")


def test_bash_completes_a_workflow_id_of_the_daemon_and_quotes_it(
    bash: Terminal, daemon: RunningDaemon
) -> None:
    bash.type(f"flowyd show --config {daemon.config} ord\t")

    assert bash.wait(r"order\\ 66")


def test_bash_completes_pools_and_files(bash: Terminal, daemon: RunningDaemon) -> None:
    bash.type(f"flowyd --config={daemon.folder}/flow\t")
    bash.wait(r"flowyd\.toml")
    bash.type("drain wor\t")

    assert bash.wait("drain workers ")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["show", ""], "order 66\tcompleted, tutorial 1"),
        (["start", "tut"], "tutorial\tworkflow type"),
        (["start", "tutorial", ""], "1\tof tutorial"),
        (["drain", ""], "deciders\tdecision pool on list decide"),
        (["list", "--domain", ""], "default"),
    ],
    ids=" ".join,
)
def test_names_are_those_of_the_daemon(daemon: RunningDaemon, words: list[str], found: str) -> None:
    command = [sys.executable, "-m", "flowyd", "complete", "fish", "--", "--config", str(daemon.config)]

    offered = subprocess.run([*command, *words], capture_output=True, text=True, check=True).stdout

    assert found in offered.splitlines()


def test_nobody_there_offers_nothing_and_says_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flowyd", "complete", "bash", "--", "--config", f"{tmp_path}/no.toml"]

    ended = subprocess.run([*command, "show", ""], capture_output=True, text=True)

    assert (ended.stdout, ended.stderr) == ("", "")


def test_fish_and_zsh_complete_where_they_are_installed(daemon: RunningDaemon, path: str) -> None:
    environment = {**os.environ, "PATH": path}
    if shutil.which("fish"):
        line = f"flowyd --config {daemon.config} show ord"
        script = f"flowyd completion fish | source; complete -C '{line}'"
        answer = subprocess.run(["fish", "-c", script], capture_output=True, text=True, env=environment)
        assert answer.stdout == "order 66\tcompleted, tutorial 1\n"
    if shutil.which("zsh"):
        zsh = Terminal("zsh", "-f", "-i", path=path)
        zsh.type("autoload -U compinit; compinit -u -D; source <(flowyd completion zsh); echo comp''leted\n")
        zsh.wait("completed")
        zsh.type(f"flowyd --config {daemon.config} drain wor\t")
        assert zsh.wait("drain workers")
        zsh.close()
