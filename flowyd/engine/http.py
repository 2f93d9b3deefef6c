"""HTTP/1.1 as far as SWF needs it: bytes in, whole requests out; answers as bytes.

`RequestReader` holds the limits on what one client may send: the size of a request's head and body. A body
that is too large is read to its end and thrown away, so that the sender sees the fault and not a reset; one
that does not end is cut off. No socket and no clock in here.
Sources: RFC 9112; recorded requests and answers for headers, content types and empty bodies.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from email.utils import formatdate

import httptools
import msgspec

from flowyd.engine.calls import may_wait
from flowyd.errors import ProtocolError
from flowyd.swf import limits
from flowyd.swf.actions import ACTIONS, LEGACY_TARGET_PREFIX, TARGET_PREFIX

JSON_1_0 = "application/x-amz-json-1.0"
#: What old clients send, and then expect.
JSON = "application/json"

#: Request line and headers together; what most servers allow.
LONGEST_HEAD_BYTES = 16_384
#: `: ` and the end of the line, around a header's name and value.
_BESIDES_BYTES = 4
#: How much of a body that is too large is read before the connection is cut.
MOST_THROWN_AWAY_BYTES = 16 * limits.REQUEST_BYTES
#: A longer name of a poll is none.
LONGEST_POLL_ID = 64
#: What X-Flowyd-Wait can be, and the operation that heeds it.
_WAIT_FOR_CLOSE, _DESCRIPTION = b"closed", "DescribeWorkflowExecution"

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
#: The call was carried out; the poll that came with it waits (RFC 2518, 10.1).
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"

_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}

#: The value of X-Amz-Target → operation.
_ACTION_OF_TARGET = {
    (prefix + action).encode(): action
    for action in ACTIONS
    for prefix in (TARGET_PREFIX, LEGACY_TARGET_PREFIX)
}


class HttpRequest(msgspec.Struct, kw_only=True):
    """One request as it came."""

    method: str = ""
    #: Path and query.
    target: bytes = b""
    #: In the order sent, names in lower case.
    headers: list[tuple[bytes, bytes]] = []
    body: bytes = b""
    #: Whether the connection stays open after the answer.
    keep_alive: bool = True
    #: The body is longer than a request may be; it was thrown away.
    is_too_large: bool = False
    #: The first value by name, made when it is first asked for.
    _values: dict[bytes, bytes] | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header; None if it was not sent."""
        if self._values is None:
            self._values = dict(reversed(self.headers))
        return self._values.get(name)

    @property
    def action(self) -> str | None:
        """The SWF operation that the request names; None if it names none."""
        return _ACTION_OF_TARGET.get(self.header(b"x-amz-target") or b"")

    @property
    def poll_id(self) -> str:
        """What the caller calls this poll; empty if it does not say, or not in a few plain characters."""
        sent = self.header(b"x-flowyd-poll") or b""
        return sent.decode() if len(sent) <= LONGEST_POLL_ID and sent.isascii() else ""

    @property
    def most_tasks(self) -> int:
        """How many tasks this poll takes at most, if the caller has named it."""
        sent = self.header(b"x-flowyd-tasks") or b""
        return int(sent) if len(sent) <= 3 and sent.isdigit() else 1

    @property
    def not_begun(self) -> str:
        """The poll that gave the task which the caller gives back, not begun; empty: it answers it."""
        sent = self.header(b"x-flowyd-not-begun") or b""
        return sent.decode() if len(sent) <= LONGEST_POLL_ID and sent.isascii() else ""

    @property
    def next_poll(self) -> bytes:
        """A poll to begin once this request was carried out, as JSON (`requests.next_poll`); empty: none."""
        return self.header(b"x-flowyd-next-poll") or b""

    @property
    def waits_for_close(self) -> bool:
        """Whether an execution's description is wanted only when the execution is closed."""
        return self.action == _DESCRIPTION and self.header(b"x-flowyd-wait") == _WAIT_FOR_CLOSE

    @property
    def may_wait(self) -> bool:
        """Whether the answer may be a while in coming."""
        return may_wait(self.action, waits_for_close=self.waits_for_close)

    @property
    def answer_type(self) -> str:
        """The Content-Type for the answer: the request's media type, of the two that SWF knows."""
        sent = self.header(b"content-type") or b""
        return JSON if sent.partition(b";")[0].strip() == b"application/json" else JSON_1_0


class RequestReader:
    """Turns the bytes of one connection into requests."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        #: The request that has begun, or the last one; its headers and body as far as they are here.
        self._headers: list[tuple[bytes, bytes]] = []
        self._request = HttpRequest(headers=self._headers)
        self._body: list[bytes] = []
        self._body_bytes = 0
        #: Of the request that has begun: bytes of its head so far, whether it began with the last bytes.
        self._head_bytes = 0
        self._has_just_begun = False
        self._has_begun = self._is_in_body = False
        self._complete: list[HttpRequest] = []
        #: Whether `take_continue` has looked at this request.
        self._was_asked_for_continue = False

    @property
    def has_begun(self) -> bool:
        """Whether a part of a request is here whose rest is not."""
        return self._has_begun

    @property
    def buffered_bytes(self) -> int:
        """How much of the request that has begun is kept."""
        return self._body_bytes if self._has_begun and not self._request.is_too_large else 0

    def take_continue(self) -> bool:
        """Whether the sender waits for leave to send its body; tells so once."""
        if not self._is_in_body or self._body_bytes or self._was_asked_for_continue:
            return False
        self._was_asked_for_continue = True
        if (self._request.header(b"expect") or b"").lower() != b"100-continue":
            return False
        return int(self._request.header(b"content-length") or b"0") <= limits.REQUEST_BYTES

    def feed(self, data: bytes) -> Sequence[HttpRequest]:
        """The requests that are complete with these bytes.

        If what follows a complete request cannot be read, that request is the last one.

        Raises:
            ProtocolError: this is no HTTP/1.1, or too much of it; the connection cannot be used any more.
        """
        self._complete = []
        self._has_just_begun = False
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserUpgrade, httptools.HttpParserError) as error:
            if self._complete:
                self._complete[-1].keep_alive = False
                return self._complete
            cause = error.__context__
            raise ProtocolError(str(cause if isinstance(cause, ProtocolError) else error)) from error
        if self._has_begun:
            if not self._is_in_body and not self._has_just_begun:
                self._head_bytes += len(data)
            # Also in a body: headers may follow it.
            self._check_head()
        return self._complete

    def _check_head(self) -> None:
        if self._head_bytes > LONGEST_HEAD_BYTES:
            raise ProtocolError(f"request line and headers are longer than {LONGEST_HEAD_BYTES} bytes")

    # What follows is called by the parser.

    def on_message_begin(self) -> None:
        self._headers = []
        self._request = HttpRequest(headers=self._headers)
        self._body = []
        self._body_bytes = self._head_bytes = 0
        self._has_begun = self._has_just_begun = True

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + _BESIDES_BYTES
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._check_head()
        self._is_in_body = True
        self._request.method = str(self._parser.get_method(), "ascii")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > limits.REQUEST_BYTES:
            self._request.is_too_large = True
            self._body = []
            if self._body_bytes > MOST_THROWN_AWAY_BYTES:
                raise ProtocolError("the body does not end")
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._has_begun = self._is_in_body = self._was_asked_for_continue = False
        request = self._request
        request.body = b"".join(self._body)
        request.keep_alive = self._parser.should_keep_alive()
        self._complete.append(request)


class ResponseWriter:
    """Writes the heads of answers: request ids, and the date, which changes once a second."""

    def __init__(self) -> None:
        # A version 4 UUID: random at the start, then counted, which is unique and costs little.
        prefix = os.urandom(8).hex()
        self._prefix = f"{prefix[:8]}-{prefix[8:12]}-4{prefix[13:16]}-a{os.urandom(2).hex()[1:]}"
        self._count = int.from_bytes(os.urandom(5), "big")
        #: How answers of this second begin, by status, content type and whether the connection stays open.
        self._second = 0
        self._begins: dict[tuple[int, str, bool], bytes] = {}

    def response(self, *, status: int, content_type: str, body: bytes, keep_alive: bool) -> bytes:
        """The whole answer."""
        self._count += 1
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._begins.clear()
        kind = (status, content_type, keep_alive)
        begin = self._begins.get(kind)
        if begin is None:
            begin = self._begins[kind] = self._begin(*kind)
        count = self._count & 0xFFFFFFFFFFFF
        return b"%b%012x\r\nContent-Length: %d\r\n\r\n%b" % (begin, count, len(body), body)

    def _begin(self, status: int, content_type: str, keep_alive: bool) -> bytes:
        """An answer up to the part of its request id that counts."""
        return (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\n"
            f"{'' if keep_alive else 'Connection: close' + chr(13) + chr(10)}"
            f"Content-Type: {content_type}\r\n"
            f"Date: {formatdate(self._second, usegmt=True)}\r\n"
            f"x-amzn-RequestId: {self._prefix}-"
        ).encode()
