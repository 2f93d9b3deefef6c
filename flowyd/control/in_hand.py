"""What a worker has in hand, in a file of its own that outlives it and its supervisor.

One record at the start of the file: a line of three numbers, then JSON. The numbers are the checksum and the
length of the JSON, and how many of the tasks were begun. The worker writes each record over the one before in
one pwrite, so a kill leaves one of the two, and a record cut in half is known by its checksum. The third
number is outside of the checksum and always at the same place: beginning the next of several tasks writes it
alone. Far behind the record are the answers that activity tasks were given, each with checksum and length,
written before it is sent: if nobody has read it, it is sent again for the dead worker. While the worker
lives it holds a POSIX lock on the file.
"""

from __future__ import annotations

import zlib

import msgspec
from msgspec.structs import replace

from flowyd.control.reports import TaskInHand
from flowyd.errors import ProtocolError

#: No record is longer; a concurrent worker has hundreds of tasks at most.
RECORD_BYTES = 4 * 1024 * 1024
#: Where in the file the answers begin.
ANSWERS_AT = RECORD_BYTES
#: The first line of a record is no longer.
HEAD_BYTES = 64
#: Where in the file it says how many tasks were begun.
BEGUN_AT = len(b"00000000 00000000 ")

_encode = msgspec.json.Encoder().encode


class PollUnderWay(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A poll whose answer was not read, or that will be sent next."""

    action: str
    task_list: str
    #: What repeats it (`flowyd.swf.lean`).
    poll_id: str


class GivenAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an activity task was answered with: an operation and its request."""

    action: str
    request: dict[str, str]


class InHand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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
    #: The id of the poll that gave it the tasks, where it begins them one after the other and can give the
    #: others back: activity tasks of a local engine. Empty: all of its tasks are begun.
    came_with: str = ""
    #: How many of the tasks were begun, the first of them first; of no meaning without `came_with`. Of a
    #: record the number in the first line counts: it may be newer than the JSON.
    begun: int = 1
    #: What tasks were answered with, by token, as far as the file says; of others than these, too. It is
    #: beside the record.
    answers: dict[str, GivenAnswer] = {}

    @property
    def answered(self) -> tuple[TaskInHand, ...]:
        """The tasks before the one that is run: their answers were sent, though perhaps never read."""
        return self.tasks[: self.begun - 1] if self.came_with else ()

    @property
    def running(self) -> tuple[TaskInHand, ...]:
        """The task that is run; where it is not known which one is, all."""
        return self.tasks[self.begun - 1 : self.begun] if self.came_with else self.tasks

    @property
    def not_begun(self) -> tuple[TaskInHand, ...]:
        """The tasks behind those begun."""
        return self.tasks[self.begun :] if self.came_with else ()


_decode = msgspec.json.Decoder(InHand).decode
_decode_answer = msgspec.json.Decoder(GivenAnswer).decode


def encode_in_hand(in_hand: InHand) -> bytes:
    """The record."""
    body = _encode(in_hand)
    return b"%08x %08x %b\n%b" % (zlib.crc32(body), len(body), encode_begun(in_hand.begun), body)


def encode_begun(number: int) -> bytes:
    """What goes to `BEGUN_AT` of a record when so many of its tasks were begun."""
    return b"%08x" % number


def encode_answer(answer: GivenAnswer) -> bytes:
    """What is written of an answer, behind those before."""
    body = _encode(answer)
    return b"%08x %08x\n%b" % (zlib.crc32(body), len(body), body)


def decode_answers(content: bytes) -> dict[str, GivenAnswer]:
    """The answers from `ANSWERS_AT` on, by token, up to the first that is not whole; older ones follow."""
    answers: dict[str, GivenAnswer] = {}
    while content:
        head, _, rest = content.partition(b"\n")
        try:
            checksum, length = (int(part, 16) for part in head.split())
            body, content = rest[:length], rest[length:]
            if len(body) != length or zlib.crc32(body) != checksum:
                break
            answer = _decode_answer(body)
        except (ValueError, msgspec.MsgspecError):
            break
        answers[answer.request["taskToken"]] = answer
    return answers


def length_of(head: bytes) -> int:
    """How many bytes of the record follow its first line.

    Raises:
        ProtocolError: this is no such line.
    """
    try:
        return int(head.split()[1], 16)
    except (ValueError, IndexError) as error:
        raise ProtocolError(f"no record of tasks in hand begins with {head!r}") from error


def decode_in_hand(record: bytes) -> InHand | None:
    """What the start of a file says; None for an empty file.

    Raises:
        ProtocolError: it is no record, or one cut in half.
    """
    if not record:
        return None
    head, _, body = record.partition(b"\n")
    try:
        numbers = [int(part, 16) for part in head.split()]
        # A record of an older flowyd has two: all of its tasks are begun.
        checksum, length, begun = (*numbers, 1) if len(numbers) == 2 else numbers
        body = body[:length]
        if len(body) != length or zlib.crc32(body) != checksum or begun < 1:
            raise ProtocolError("the record is cut off or altered")
        return replace(_decode(body), begun=begun)
    except (ValueError, msgspec.MsgspecError) as error:
        raise ProtocolError(f"no record of tasks in hand: {error}") from error
