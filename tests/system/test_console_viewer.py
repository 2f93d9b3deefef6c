"""A console whose user the daemon takes for a viewer: it sees everything and changes nothing."""

from __future__ import annotations

import contextlib
import grp
import multiprocessing
import os
import shutil
import socket
import socketserver
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets._footer import FooterKey

from flowyd.console.app import Console
from flowyd.console.dialogs.action import ActionDialog
from flowyd.console.memory import Memory
from flowyd.control.client import ask
from flowyd.errors import FlowydError
from tests.system.console_pilot import daemon_target, gone, opened, run_console, shown, table, until
from tests.system.running_daemon import RunningDaemon

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


class Relay(socketserver.ThreadingUnixStreamServer):
    """Asks the daemon what it is asked, as another user."""

    def __init__(self, path: Path, upstream: Path) -> None:
        self.upstream = upstream
        super().__init__(str(path), _Asking)

    def run_as_nobody(self) -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        self.serve_forever()


class _Asking(socketserver.StreamRequestHandler):
    server: Relay

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as daemon, contextlib.suppress(OSError):
            daemon.connect(str(self.server.upstream))
            daemon.sendall(self.rfile.readline())
            self.wfile.write(daemon.makefile("rb").readline())


@pytest.fixture
def daemon() -> Iterator[RunningDaemon]:
    """A daemon whose control socket everybody reaches; its group of viewers is nobody's."""
    # The tests' own temporary folder is closed to others.
    folder = Path(tempfile.mkdtemp(prefix="flowyd-viewer-"))
    folder.chmod(0o755)
    daemon = RunningDaemon(folder)
    text = daemon.config.read_text()
    viewers = grp.getgrgid(NOBODY).gr_name
    daemon.config.write_text(text.replace("[flowyd]\n", f'[flowyd]\nviewers_group = "{viewers}"\n', 1))
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.destroy()
        shutil.rmtree(folder)


@pytest.fixture
def viewers_socket(daemon: RunningDaemon, tmp_path: Path) -> Iterator[Path]:
    """A socket on which the daemon answers as it answers a viewer."""
    path = tmp_path / "viewer.sock"
    with Relay(path, daemon.runtime / "control.sock") as relay:
        process = multiprocessing.get_context("fork").Process(target=relay.run_as_nobody)
        process.start()
        yield path
        process.kill()
        process.join()


def greyed(pilot: Pilot[None]) -> set[str]:
    """What the foot of the screen shows greyed."""
    return {key.description for key in pilot.app.screen.query(FooterKey) if key.has_class("-disabled")}


def offered(pilot: Pilot[None]) -> set[str]:
    """What the foot of the screen shows as it shows keys that work."""
    return {key.description for key in pilot.app.screen.query(FooterKey) if not key.has_class("-disabled")}


def test_the_daemon_refuses_a_viewer_with_who_may(viewers_socket: Path) -> None:
    assert ask(viewers_socket, "whoami") == {"role": "viewer", "uid": NOBODY}

    with pytest.raises(FlowydError, match="uid 65534 may not drain; root, the daemon's user and"):
        ask(viewers_socket, "drain", {"pool": "workers"})


def test_a_viewer_sees_keys_greyed_and_is_told_why_they_do_nothing(
    daemon: RunningDaemon, viewers_socket: Path
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, lambda: table(pilot, "workers").items)
        await shown(pilot, "read-only", "workers 3/3")
        table(pilot, "workers").select("pool workers")
        await until(pilot, lambda: {"Scale", "Drain", "Resume", "Recycle"} <= greyed(pilot))
        assert {"Log", "Filter"} <= offered(pilot)
        for key, what in (("d", "Drain"), ("s", "Scale"), ("x", "Recycle")):
            await pilot.press(key)
            await shown(pilot, f"{what}: you may look", "a viewer")
            assert not isinstance(pilot.app.screen, ActionDialog)
            pilot.app.clear_notifications()
            await gone(pilot, "you may look")

    target = replace(daemon_target(daemon), control_socket=viewers_socket)
    run_console(Console(target, memory=Memory(None), theme="flowyd-dark"), script, size=(160, 48))

    pool = next(pool for pool in daemon.status().pools if pool.name == "workers")
    assert (pool.draining, pool.processes) == (False, 2)


def test_who_is_made_an_operator_gets_the_keys_back(daemon: RunningDaemon, viewers_socket: Path) -> None:
    text = daemon.config.read_text()

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await shown(pilot, "read-only")
        await until(pilot, lambda: "Drain" in greyed(pilot))
        daemon.config.write_text(text.replace("viewers_group", "operators_group"))
        daemon.ask("reload")
        await gone(pilot, "read-only")
        await until(pilot, lambda: "Drain" in offered(pilot))
        table(pilot, "workers").select("pool workers")
        await pilot.press("d")
        await opened(pilot, ActionDialog)

    target = replace(daemon_target(daemon), control_socket=viewers_socket)
    run_console(Console(target, memory=Memory(None), theme="flowyd-dark"), script, size=(160, 48))
