"""A session as an operator has it, in a real terminal, on a real daemon that files pictures."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.demo_daemon import Daemon, new_folder
from bench.demo_pictures import PICTURES, paint
from tests.system.terminal_session import TMUX, TerminalSession

pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@pytest.fixture
def pictures(tmp_path: Path) -> Iterator[str]:
    """Where a picture is had from."""
    (tmp_path / "poppies.png").write_bytes(paint(PICTURES[3]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    daemon = Daemon(new_folder())
    daemon.lay_out(processes=2)
    try:
        daemon.start()
        daemon.wait_until_ready()
        yield daemon
    finally:
        daemon.end()


@pytest.fixture
def terminal(daemon: Daemon) -> Iterator[TerminalSession]:
    session = TerminalSession(daemon.folder)
    session.open(daemon.config)
    yield session
    session.close()


def start(terminal: TerminalSession, url: str, *, kind: str) -> None:
    """Starts a workflow from the form."""
    terminal.press("n")
    terminal.until("Start a workflow")
    terminal.type(kind)
    terminal.until(lambda text: kind in text)
    terminal.press("Enter")
    terminal.until("url")
    terminal.type(url)
    terminal.until(lambda text: url in text and "flowyd start" in text)
    terminal.press("C-s")
    terminal.until(lambda text: "started" in text and "flowyd start" not in text)


def test_an_operators_session(daemon: Daemon, terminal: TerminalSession, pictures: str) -> None:
    terminal.until("0 open")

    # One is started from the form and followed to its end.
    start(terminal, f"{pictures}poppies.png", kind="imagecateg")
    terminal.press("o")
    terminal.until("Closed executions")
    terminal.until(lambda text: re.search(r"imagecateg 1 +imagecateg-", text))
    terminal.press("Enter")
    terminal.until("predominantcolor")
    terminal.until(lambda text: "/red/" in text and text.count("✔ completed") >= 3)
    terminal.press("Escape")
    terminal.until("Closed executions")

    # Another, whose pool takes nothing, is terminated.
    daemon.command("drain", "images")
    terminal.press("o")
    terminal.until("All executions")
    terminal.press("o")
    terminal.until("Open executions")
    start(terminal, f"{pictures}nothing-there.png", kind="imagecateg")
    terminal.until("1 open")
    terminal.until(lambda text: re.search(r"▶ open +imagecateg 1", text))
    terminal.press("C-t")
    terminal.until("Terminate")
    terminal.type("not wanted any more")
    terminal.until("--reason")
    terminal.press("Tab", "Tab", "Tab", "Tab")
    terminal.press("Enter")
    terminal.until("0 open  2 closed")
    daemon.command("resume", "images")

    # A killed worker comes back, with the reason of its predecessor's death.
    status = daemon.wait_until_ready()
    victim = status.pools[1].workers[0].pid
    terminal.press("2")
    terminal.until(str(victim))
    os.kill(victim, signal.SIGKILL)
    terminal.until("killed by SIGKILL")
    seen = terminal.until("workers 3/3")
    assert not re.search(rf"^ +{victim} ", seen, re.MULTILINE)

    # What happened is on one axis: who drained, who died.
    terminal.press("8")
    seen = terminal.until(f"images[{victim}] killed by SIGKILL")
    assert re.search(rf"control .*uid {os.getuid()} .*drain", seen)

    # Leaving stops nothing.
    terminal.press("q")
    assert daemon.wait_until_ready().pid == status.pid
