"""What a worker has in hand, in a file of its own that outlives it and its supervisor.

One record at the start of the file: a checksum and the length of what follows, in a line, then JSON. The
worker writes each record over the one before in one pwrite, so a kill leaves one of the two, and a record cut
in half is known by its checksum. While the worker lives it holds a POSIX lock on the file.
"""

from __future__ import annotations

import zlib

import msgspec

from flowyd.control.reports import TaskInHand
from flowyd.errors import ProtocolError

#: No record is longer; a concurrent worker has hundreds of tasks at most.
RECORD_BYTES = 4 * 1024 * 1024
_HEAD_BYTES = len(b"00000000 00000000\n")

_encode = msgspec.json.Encoder().encode


class PollUnderWay(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A poll whose answer was not read, or that will be sent next."""

    action: str
    task_list: str
    #: What repeats it (`flowyd.swf.lean`).
    poll_id: str


class InHand(msgspec.Struct, frozen=True, kw_only=True):
    """A worker and what it has in hand."""

    pid: int
    pool: str
    #: "activity" or "decision".
    kind: str
    slot: int
    task_list: str
    #: Tasks handed out to it and not answered yet, as far as it knows.
    tasks: tuple[TaskInHand, ...] = ()
    polls: tuple[PollUnderWay, ...] = ()


_decode = msgspec.json.Decoder(InHand).decode


def encode_in_hand(in_hand: InHand) -> bytes:
    """The record."""
    body = _encode(in_hand)
    return b"%08x %08x\n%b" % (zlib.crc32(body), len(body), body)


def decode_in_hand(record: bytes) -> InHand | None:
    """What the start of a file says; None for an empty file.

    Raises:
        ProtocolError: it is no record, or one cut in half.
    """
    if not record:
        return None
    head, body = record[:_HEAD_BYTES], record[_HEAD_BYTES:]
    try:
        checksum, length = (int(part, 16) for part in head.split())
        body = body[:length]
        if len(body) != length or zlib.crc32(body) != checksum:
            raise ProtocolError("the record is cut off")
        return _decode(body)
    except (ValueError, msgspec.MsgspecError) as error:
        raise ProtocolError(f"no record of tasks in hand: {error}") from error
