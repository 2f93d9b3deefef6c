"""The control socket's protocol: JSON lines, one request and one answer each, version 1.

Request: `{"v": 1, "command": NAME, "arguments": {…}}`. Answer: `{"v": 1, "ok": true, "answer": {…}}` or
`{"v": 1, "ok": false, "error": TEXT}`. The supervisor answers; `flowyd status`, the other commands and the
console ask. Times in answers: `*_at` are epoch seconds, `*_s` are seconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from flowyd.errors import ProtocolError

VERSION = 1

#: A request or answer line longer than this is refused.
LINE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    """One command for the supervisor."""

    command: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAnswer:
    """What the supervisor answers: a result, or an error text that says what to do."""

    answer: dict[str, Any] = field(default_factory=dict)
    #: None when the command was carried out.
    error: str | None = None


def encode_request(request: ControlRequest) -> bytes:
    """The request as one line."""
    return _line({"v": VERSION, "command": request.command, "arguments": request.arguments})


def decode_request(line: bytes) -> ControlRequest:
    """The request of one line.

    Raises:
        ProtocolError: it is not JSON, of another version, or not of the form above.
    """
    members = _members(line)
    command, arguments = members.get("command"), members.get("arguments", {})
    if not isinstance(command, str) or not isinstance(arguments, dict):
        raise ProtocolError('a control request needs "command" (text) and may have "arguments" (object)')
    return ControlRequest(command=command, arguments=arguments)


def encode_answer(answer: ControlAnswer) -> bytes:
    """The answer as one line."""
    if answer.error is not None:
        return _line({"v": VERSION, "ok": False, "error": answer.error})
    return _line({"v": VERSION, "ok": True, "answer": answer.answer})


def decode_answer(line: bytes) -> ControlAnswer:
    """The answer of one line.

    Raises:
        ProtocolError: it is not JSON, of another version, or not of the form above.
    """
    members = _members(line)
    if members.get("ok") is True and isinstance(members.get("answer"), dict):
        return ControlAnswer(answer=members["answer"])
    if members.get("ok") is False and isinstance(members.get("error"), str):
        return ControlAnswer(error=members["error"])
    raise ProtocolError(f"not a control answer: {line[:200]!r}")


def _line(members: dict[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode() + b"\n"


def _members(line: bytes) -> dict[str, Any]:
    try:
        members = json.loads(line)
    except ValueError as error:
        raise ProtocolError(f"a control line must be JSON: {error}") from error
    if not isinstance(members, dict):
        raise ProtocolError("a control line must be a JSON object")
    if members.get("v") != VERSION:
        raise ProtocolError(
            f"control protocol version {members.get('v')!r} is not spoken here; use {VERSION}"
        )
    return members
