"""The daemon from its start to its exit code: lock, sockets, loop, and the files it leaves behind (none)."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import socket
from collections.abc import Sequence
from pathlib import Path

import setproctitle

from flowyd.config.records import Backend, Config
from flowyd.errors import FlowydError
from flowyd.log import set_up_logging
from flowyd.supervisor.access import SOCKET_MODE, Access, open_doors
from flowyd.supervisor.detach import Background
from flowyd.supervisor.loop import Supervisor
from flowyd.supervisor.notify import Notifier, take_listening_sockets, take_notifier
from flowyd.supervisor.sockets import listen_tcp, listen_unix, lock_runtime_dir, name_owner

logger = logging.getLogger(__name__)


def run_daemon(config: Config, *, background: Background | None = None) -> int:
    """Runs the daemon until it is told to stop; the exit code.

    Args:
        background: it leaves the terminal as soon as nothing can keep it from running any more.

    Raises:
        FlowydError: another daemon has the runtime directory, or a socket or directory cannot be had.
        ConfigError: a user or group of the configuration does not exist.
    """
    notifier = take_notifier(os.environ)
    given = take_listening_sockets(os.environ)
    setproctitle.setproctitle("flowyd: supervisor")
    lock_fd = lock_runtime_dir(config.flowyd.runtime_dir)
    _make_state_dir(config.flowyd.state_dir)
    with contextlib.ExitStack() as closing:
        engine_sockets = _engine_sockets(config, given, closing)
        control = _unix(config.flowyd.control_socket, given, closing)
        _import_for_children()
        access = open_doors(config)
        if background is not None:
            keep = [lock_fd, *(listener.fileno() for listener in (*engine_sockets, control))]
            closing.enter_context(background.entered(keep=keep))
            name_owner(lock_fd)
            set_up_logging(config.flowyd.log_level)
        return _supervise(config, engine_sockets, control, notifier, access)


def _supervise(
    config: Config,
    engine_sockets: list[socket.socket],
    control: socket.socket,
    notifier: Notifier,
    access: Access,
) -> int:
    supervisor = Supervisor(
        config,
        engine_sockets=engine_sockets,
        control_socket=control,
        notifier=notifier,
        access=access,
    )
    logger.info(
        "flowyd with %s: domain %s, backend %s",
        config.file,
        config.flowyd.domain,
        config.swf.backend.value,
        extra={"action": "start", "domain": config.flowyd.domain},
    )
    return supervisor.run()


def _engine_sockets(
    config: Config, given: Sequence[socket.socket], closing: contextlib.ExitStack
) -> list[socket.socket]:
    if config.swf.backend is not Backend.EMBEDDED:
        return []
    sockets = [_unix(config.flowyd.engine_socket, given, closing)]
    for endpoint in config.engine.listen:
        sockets.append(closing.enter_context(listen_tcp(endpoint, given=given)))
    return sockets


def _unix(path: Path, given: Sequence[socket.socket], closing: contextlib.ExitStack) -> socket.socket:
    listener = listen_unix(path, mode=SOCKET_MODE, given=given)
    closing.enter_context(listener)
    if listener not in given:
        closing.callback(path.unlink, missing_ok=True)
    return listener


def _make_state_dir(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise FlowydError(f"state_dir {directory} cannot be made: {error.strerror}") from error


def _import_for_children() -> None:
    """Imports once, here, what every worker needs and what is light: 60 ms that no fork pays again.

    Nothing of it opens anything, starts a thread or knows user code; a test holds the list of what must
    not come along.
    """
    for name in ("activity_worker", "decision_worker", "errand", "main"):
        importlib.import_module(f"flowyd.worker.{name}")
