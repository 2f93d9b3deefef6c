"""Plain sockets in the rounds of the loop: what asyncio's own transport and listener do, in fewer steps.

A message through asyncio's own transport is a handle in the loop's list and five calls; here it is one call
out of the round itself (`RoundSelector.read_directly`). What is encrypted is left to asyncio.
`asyncio.Transport` says what the methods mean; towards its protocol a stream behaves as asyncio's does.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)

#: What is read at once.
_READ_BYTES = 65_536
#: The protocol is told when more than this waits to be sent, and when no more than a quarter of it does.
_MOST_UNSENT_BYTES = 65_536
#: How long nobody is let in when there are no descriptors or no memory for it, seconds.
_REST_S = 1.0
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class DirectReaders(Protocol):
    """What calls a reader of the loop without the loop's own ways, from `read_directly` to `forget`."""

    def read_directly(self, fd: int, read: Callable[[], None]) -> None: ...
    def forget(self, fd: int) -> None: ...


class Stream(asyncio.Transport):
    """A connected socket and its protocol."""

    def __init__(
        self, connected: socket.socket, protocol: asyncio.Protocol, rounds: DirectReaders | None
    ) -> None:
        super().__init__({"socket": connected})
        self._loop = asyncio.get_running_loop()
        self._socket = connected
        self._fd = connected.fileno()
        self._protocol = protocol
        self._rounds = rounds
        self._unsent = bytearray()
        #: Whether the protocol was told not to write; whether no more is read; whether its end was told.
        self._is_full = self._is_closing = self._is_lost = False

    def open(self) -> None:
        """Tells the protocol, and begins to read."""
        self._protocol.connection_made(self)
        self.resume_reading()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_lost:
            return
        if not self._unsent:
            sent = self._sent(data)
            if sent == len(data) or self._is_lost:
                return
            data = data[sent:]
            self._loop.add_writer(self._fd, self._send_rest)
        self._unsent += data
        if not self._is_full and len(self._unsent) > _MOST_UNSENT_BYTES:
            self._is_full = True
            self._protocol.pause_writing()

    def _sent(self, data: bytes | bytearray | memoryview) -> int:
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._break_off(error)
            return 0

    def _send_rest(self) -> None:
        del self._unsent[: self._sent(self._unsent)]
        if self._is_lost:
            return
        if self._is_full and len(self._unsent) <= _MOST_UNSENT_BYTES // 4:
            self._is_full = False
            self._protocol.resume_writing()
        if not self._unsent:
            self._loop.remove_writer(self._fd)
            if self._is_closing:
                self._lose(None)

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        if not self._is_closing:
            self._stop_reading()

    def _stop_reading(self) -> None:
        self._loop.remove_reader(self._fd)
        if self._rounds is not None:
            self._rounds.forget(self._fd)

    def resume_reading(self) -> None:
        if self._is_closing:
            return
        self._loop.add_reader(self._fd, self._read)
        if self._rounds is not None:
            self._rounds.read_directly(self._fd, self._read)

    def _read(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._break_off(error)
            return
        try:
            if data:
                self._protocol.data_received(data)
            elif self._protocol.eof_received():
                self._stop_reading()
            else:
                self.close()
        except Exception as error:
            logger.exception("What came over a connection could not be read", extra={"action": "read"})
            self._break_off(error)

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._stop_reading()
        if not self._unsent:
            self._lose(None)

    def abort(self) -> None:
        self._break_off(None)

    def _break_off(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        if self._unsent:
            self._unsent.clear()
            self._loop.remove_writer(self._fd)
        if not self._is_closing:
            self._is_closing = True
            self._stop_reading()
        self._lose(error)

    def _lose(self, error: Exception | None) -> None:
        """Tells the protocol soon: it may be about to do something else."""
        if not self._is_lost:
            self._is_lost = True
            self._loop.call_soon(self._tell_of_end, error)

    def _tell_of_end(self, error: Exception | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._socket.close()


class Listener:
    """A listening socket; each connection gets a protocol of its own."""

    def __init__(
        self,
        listening: socket.socket,
        make: Callable[[], asyncio.Protocol],
        *,
        rounds: DirectReaders | None,
        most_at_once: int,
    ) -> None:
        """`most_at_once`: new connections taken in one round of the loop."""
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._make = make
        self._rounds = rounds
        self._most_at_once = most_at_once
        self._resting: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Lets connections in from now on."""
        self._resting = None
        self._listening.setblocking(False)
        self._loop.add_reader(self._listening, self._accept)

    def close(self) -> None:
        """Lets nobody in any more, and closes the socket."""
        if self._listening.fileno() < 0:
            return
        if self._resting is not None:
            self._resting.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _accept(self) -> None:
        for _ in range(self._most_at_once):
            try:
                connected, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                logger.error("Nobody is let in: %s", error, extra={"action": "connect"})
                self._loop.remove_reader(self._listening)
                self._resting = self._loop.call_later(_REST_S, self.open)
                return
            connected.setblocking(False)
            if connected.family != socket.AF_UNIX:
                # Answers are written whole, so waiting for more of them saves nothing.
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Stream(connected, self._make(), self._rounds).open()
