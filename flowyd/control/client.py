"""Asking the running daemon: one connection, one line out, one line back, all within a time limit."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

from flowyd.control.protocol import LINE_BYTES, ControlRequest, decode_answer, encode_request
from flowyd.errors import FlowydError, ProtocolError, UnreachableError


def ask(
    socket_path: Path, command: str, arguments: dict[str, Any] | None = None, *, timeout_s: float = 10.0
) -> dict[str, Any]:
    """The daemon's answer to the command.

    Raises:
        UnreachableError: no daemon answers at the path within the time, or we may not connect.
        FlowydError: the daemon refused; the text is its own.
        ProtocolError: what answered is not a flowyd of our version.
    """
    line = encode_request(ControlRequest(command=command, arguments=arguments or {}))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(socket_path))
            connection.sendall(line)
            reply = _line_from(connection, time.monotonic() + timeout_s)
    except FileNotFoundError as error:
        raise UnreachableError(
            f"no daemon at {socket_path}: the socket does not exist; is flowyd running?"
        ) from error
    except PermissionError as error:
        raise UnreachableError(
            f"no access to {socket_path}: you must be root, the daemon's user or in its group"
        ) from error
    except OSError as error:
        raise UnreachableError(f"no daemon answers at {socket_path}: {error}") from error
    answer = decode_answer(reply)
    if answer.error is not None:
        raise FlowydError(answer.error)
    return answer.answer


def _line_from(connection: socket.socket, deadline: float) -> bytes:
    reply = bytearray()
    while not reply.endswith(b"\n"):
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        chunk = connection.recv(65_536)
        if not chunk:
            raise UnreachableError("the daemon closed the connection before it answered")
        reply += chunk
        if len(reply) > LINE_BYTES:
            raise ProtocolError(f"the daemon's answer is longer than {LINE_BYTES} bytes")
    return bytes(reply)
