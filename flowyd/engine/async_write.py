"""One write to a file that goes on while the process does something else, by Linux's asynchronous I/O.

Python offers it only through threads, and a second busy thread costs the engine far more than it gains: the
interpreter lock has to be won back after each system call. So the four system calls are made by hand.
The kernel writes in the background only to files opened with O_DIRECT, from memory and at places that begin
with a block; everything else it writes before `begin` returns.
Sources: io_setup(2), io_submit(2), io_getevents(2); struct iocb in linux/aio_abi.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import platform
import select
import struct

#: Numbers of io_setup, io_destroy, io_submit and io_getevents.
_SYSTEM_CALLS = {"x86_64": (206, 207, 209, 208), "aarch64": (0, 1, 2, 4)}
#: data, key, flags, operation, priority, file, memory, bytes, offset, reserved, flags, eventfd.
_IOCB = struct.Struct("=QIIHhIQQqQII")
_PWRITE = 1
_TELL_EVENTFD = 1
#: data, iocb, result, second result.
_EVENT = struct.Struct("=QQqq")
#: What an eventfd is read by.
_COUNT_BYTES = 8
#: How long the news of a write that is given up may take to come, at most, seconds.
_LAST_NEWS_S = 1.0


class AsyncWrite:
    """At most one write under way; readable (fileno) when it has ended."""

    def __init__(self) -> None:
        """Raises:
        OSError: this kernel, or what confines this process, does not let it.
        """
        numbers = _SYSTEM_CALLS.get(platform.machine())
        if numbers is None:
            raise OSError(f"no asynchronous writes on {platform.machine()}")
        self._setup, self._destroy, self._submit, self._get_events = numbers
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        self._context = ctypes.c_ulong()
        self._system_call(self._setup, 1, ctypes.byref(self._context))
        self._eventfd = os.eventfd(0, os.EFD_CLOEXEC)
        self._iocb = ctypes.create_string_buffer(_IOCB.size)
        self._list = (ctypes.c_void_p * 1)(ctypes.addressof(self._iocb))
        self._event = ctypes.create_string_buffer(_EVENT.size)
        #: Whether the kernel did not tell of an end: none is begun any more.
        self.is_lost = False

    def fileno(self) -> int:
        """Of the eventfd that becomes readable; `result` takes the news."""
        return self._eventfd

    def begin(self, file: int, memory: mmap.mmap, size: int, at: int) -> None:
        """Writes the first bytes of the memory, which must not change before the end.

        Raises:
            OSError: it was not begun.
        """
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        _IOCB.pack_into(
            self._iocb, 0, 0, 0, 0, _PWRITE, 0, file, address, size, at, 0, _TELL_EVENTFD, self._eventfd
        )
        self._system_call(self._submit, self._context, 1, self._list)

    def result(self, *, wait: bool) -> int | None:
        """The bytes written, once; None if the write has not ended and is not to be waited for.

        Raises:
            OSError: the write failed; or the kernel did not tell (`is_lost`), so what was written is unknown,
                but nothing is under way.
        """
        try:
            ended = self._system_call(self._get_events, self._context, int(wait), 1, self._event, None)
        except OSError:
            self._give_up()
            raise
        if not ended:
            return None
        # The kernel hands out the event a moment before it counts the eventfd up, which is waited for.
        os.read(self._eventfd, _COUNT_BYTES)
        written: int = _EVENT.unpack(self._event)[2]
        if written < 0:
            raise OSError(-written, os.strerror(-written))
        return written

    def close(self) -> None:
        """Waits for a write that is under way, and ends."""
        if not self.is_lost:
            self._system_call(self._destroy, self._context)
        os.close(self._eventfd)

    def _give_up(self) -> None:
        """Waits for a write that is under way, without its result; the eventfd stays, and is quiet."""
        self.is_lost = True
        # If there is no context any more, what was under way has ended with it.
        with contextlib.suppress(OSError):
            self._system_call(self._destroy, self._context)
        if select.select([self._eventfd], [], [], _LAST_NEWS_S)[0]:
            os.read(self._eventfd, _COUNT_BYTES)

    def _system_call(self, number: int, *arguments: object) -> int:
        while (result := int(self._call(number, *arguments))) < 0:
            error = ctypes.get_errno()
            if error != errno.EINTR:
                raise OSError(error, os.strerror(error))
        return result
