"""The redo log: turns that are durable and that the database has not seen yet.

A commit of SQLite writes every page that was touched, those of the indexes included. So a turn is made
durable by one write to this file, and the database takes over many turns in one transaction, a moment
later. After that the log starts over at its front, under a new salt, which the same transaction puts into
the database: a record whose salt is not the database's is one that the database holds already.

A record is a header, and the turn's statements with their rows as MessagePack. A statement is spelled out
where it first occurs in a generation of the log and is a number afterwards, so that any version of flowyd
can carry out what an earlier one left. The file keeps its size, because what is written over is synced
faster than what makes a file longer: it grows by stretches of zeros, as far as it was ever needed.

Synced records go past the kernel's page cache, where the file system lets them (O_DIRECT), in whole blocks:
that takes the disk two thirds of the time, and the engine half of the processor time.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec

from flowyd.engine.async_write import AsyncWrite
from flowyd.engine.writes import Statement
from flowyd.errors import StoreError

logger = logging.getLogger(__name__)

SALT_BYTES = 16

#: Salt, number within the generation, length of the body, flags, checksum of all these and of the body.
_HEADER = struct.Struct("<16sIIII")
#: Flags: each record was durable before the next was written; the next begins with the next block.
_SYNCED = 1
_IN_BLOCKS = 2
#: No file system asks for more than that to write past the page cache.
_BLOCK_BYTES = 4096
#: The log never gets longer; the database is to take over what it holds before.
MOST_BYTES = 8 * 1024 * 1024
#: By so much the file grows.
_STRETCH_BYTES = 256 * 1024

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[str | int, list[Any]]]).decode


def redo_log_of(database: Path) -> Path:
    """The file beside a database that holds its redo log."""
    return database.with_name(database.name + "-redo")


class RedoLog:
    """The log's file. `take_up` comes first."""

    def __init__(self, path: Path, *, synced: bool) -> None:
        """Opens the file, and makes it if it is missing.

        `synced`: whether a record is on the disk, and not only with the kernel, when `append` returns.

        Raises:
            OSError: it cannot be opened or made.
        """
        self.path = path
        self._flags = _SYNCED | _IN_BLOCKS if synced else _IN_BLOCKS
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size
        self._blocks = _Blocks(path, synced=synced)
        self._salt = b""
        self._number = 0
        self._end = 0
        self._statements: dict[str, int] = {}

    def take_up(self, salt: bytes) -> list[list[Statement]]:
        """The turns, in order, that a database with this salt has not seen; the next record goes behind them.

        The log ends with its last whole record: what follows was being written when the machine stopped, and
        nobody was told that it had happened.

        Raises:
            StoreError: the file cannot be read, or it is damaged: a record that was durable is not whole.
        """
        try:
            content = os.pread(self._file, MOST_BYTES, 0)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be read: {error.strerror}") from error
        self.start_over(salt)
        turns: list[list[Statement]] = []
        while (body := _body(content, self._end, salt, self._number)) is not None:
            turns.append([(self._long(sql), rows) for sql, rows in _decode(body)])
            self._number += 1
            self._end = _behind(content, self._end)
        later = _later_record(content, self._end, salt, self._number)
        if later is not None:
            raise StoreError(
                f"{self.path}: damaged: turn {self._number} cannot be read, but turn {later} can. Restore a "
                "backup; or move this file away and start with what the database has, which is a moment older"
            )
        return turns

    def start_over(self, salt: bytes) -> None:
        """What was appended is in the database, with this salt: the next record goes to the front."""
        self._salt = salt
        self._number = 0
        self._end = 0
        self._statements.clear()

    def append(self, statements: list[Statement]) -> bool:
        """Makes a turn durable; False, and nothing is written, if the log has no room for it.

        After a False, or an error, the log is of no use until it starts over.

        Raises:
            OSError: it cannot be written.
        """
        placed = self._placed(statements)
        if placed is None:
            return False
        self._blocks.write(*placed)
        return True

    @property
    def overlaps(self) -> bool:
        """Whether a record can be written while the process goes on: `begin_append` instead of `append`."""
        return self._blocks.overlaps

    def fileno(self) -> int:
        """Readable when the record that was begun is durable, or has failed."""
        return self._blocks.fileno()

    def begin_append(self, statements: list[Statement]) -> bool:
        """As `append`, but the turn is durable only when `end_append` says so; one at a time."""
        placed = self._placed(statements)
        if placed is None:
            return False
        self._blocks.begin(*placed)
        return True

    def end_append(self, *, wait: bool) -> bool:
        """Whether what was begun is durable.

        Raises:
            OSError: it could not be written.
        """
        return self._blocks.end(wait=wait)

    def _placed(self, statements: list[Statement]) -> tuple[bytes, int] | None:
        """The record of a turn, and where it goes; None if there is no room for it."""
        body = _encode([(self._short(sql), rows) for sql, rows in statements])
        end = _next_block(self._end + _HEADER.size + len(body))
        if end > MOST_BYTES:
            return None
        if end > self._size:
            self._lengthen(end)
        check = _checksum(self._salt, self._number, body, self._flags)
        header = _HEADER.pack(self._salt, self._number, len(body), self._flags, check)
        at = _next_block(self._end)
        self._number += 1
        self._end = end
        return header + body, at

    def close(self) -> None:
        """Closes the file; it stays."""
        self._blocks.close()
        os.close(self._file)

    def _short(self, sql: str) -> str | int:
        """The statement's number, or itself where it gets one."""
        number = self._statements.get(sql)
        if number is None:
            self._statements[sql] = len(self._statements)
            return sql
        return number

    def _long(self, sql: str | int) -> str:
        """The statement of that number, or that gets one here."""
        if isinstance(sql, int):
            return list(self._statements)[sql]
        self._statements[sql] = len(self._statements)
        return sql

    def _lengthen(self, end: int) -> None:
        size = min(-(-end // _STRETCH_BYTES) * _STRETCH_BYTES, MOST_BYTES)
        _write_whole(self._file, bytes(size - self._size), self._size)
        if self._flags & _SYNCED:
            os.fdatasync(self._file)
        self._size = size


class _Blocks:
    """Writes whole blocks to a file, past the page cache if the file system can do that."""

    def __init__(self, path: Path, *, synced: bool) -> None:
        self._path = path
        self._is_direct = synced
        self._synced = os.O_DSYNC if synced else 0
        self._file = self._opened()
        #: Where blocks are made up; its place in memory is one that O_DIRECT takes.
        self._buffer = mmap.mmap(-1, _STRETCH_BYTES)
        #: Made when it is first needed, once a direct write has succeeded.
        self._async: AsyncWrite | None = None
        self._can_overlap: bool | None = None
        self._is_proved = False
        self._begun_bytes = 0

    def write(self, content: bytes, at: int) -> None:
        """Writes the content, and zeros to the end of its last block.

        Raises:
            OSError: it was not written, or not whole.
        """
        size = self._make_up(content)
        blocks = memoryview(self._buffer)[:size]
        try:
            _write_whole(self._file, blocks, at)
            self._is_proved = self._is_direct
        except OSError as error:
            if error.errno != errno.EINVAL or not self._is_direct:
                raise
            # Opened, but then it cannot.
            os.close(self._file)
            self._is_direct = False
            self._file = self._opened()
            _write_whole(self._file, blocks, at)

    @property
    def overlaps(self) -> bool:
        if self._is_proved and self._can_overlap is None:
            self._async = _async_write()
            self._can_overlap = self._async is not None
        return bool(self._can_overlap) and self._async is not None and not self._async.is_lost

    def fileno(self) -> int:
        return self._async.fileno() if self._async is not None else -1

    def begin(self, content: bytes, at: int) -> None:
        """As `write`, but returns while the disk is at it."""
        assert self._async is not None
        self._begun_bytes = self._make_up(content)
        self._async.begin(self._file, self._buffer, self._begun_bytes, at)

    def end(self, *, wait: bool) -> bool:
        """Whether what was begun is written."""
        assert self._async is not None
        written = self._async.result(wait=wait)
        if written is not None and written != self._begun_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written is not None

    def close(self) -> None:
        if self._async is not None:
            self._async.close()
        os.close(self._file)

    def _make_up(self, content: bytes) -> int:
        """Puts whole blocks into the buffer; their size."""
        size = _next_block(len(content))
        if size > len(self._buffer):
            self._buffer = mmap.mmap(-1, size)
        self._buffer[:size] = content.ljust(size, b"\0")
        return size

    def _opened(self) -> int:
        flags = os.O_WRONLY | os.O_CLOEXEC | self._synced
        if self._is_direct:
            try:
                return os.open(self._path, flags | os.O_DIRECT)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                self._is_direct = False
        return os.open(self._path, flags)


def _async_write() -> AsyncWrite | None:
    try:
        return AsyncWrite()
    except OSError as error:
        logger.debug("the redo log is written while the engine waits: %s", error)
        return None


def _write_whole(file: int, content: bytes | memoryview, at: int) -> None:
    if os.pwrite(file, content, at) != len(content):
        # Only a disk without space takes a part of a write.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _next_block(at: int) -> int:
    """Where the first block begins that does not begin before."""
    return -(-at // _BLOCK_BYTES) * _BLOCK_BYTES


def _behind(content: bytes, at: int) -> int:
    """Where what follows the whole record there begins."""
    _, _, length, flags, _ = _HEADER.unpack_from(content, at)
    end: int = at + _HEADER.size + length
    return _next_block(end) if flags & _IN_BLOCKS else end


def _body(content: bytes, at: int, salt: bytes, number: int) -> bytes | None:
    """The body of the record that begins there, if it is whole and has this number."""
    if len(content) < at + _HEADER.size:
        return None
    found_salt, found_number, length, flags, check = _HEADER.unpack_from(content, at)
    body = content[at + _HEADER.size : at + _HEADER.size + length]
    if found_salt != salt or found_number != number or len(body) != length:
        return None
    return body if _checksum(salt, number, body, flags) == check else None


def _later_record(content: bytes, at: int, salt: bytes, number: int) -> int | None:
    """The number of a whole record behind a missing one, if each was synced before the next."""
    while (at := content.find(salt, at + 1)) >= 0 and len(content) >= at + _HEADER.size:
        _, later, _, flags, _ = _HEADER.unpack_from(content, at)
        if flags & _SYNCED and later > number and _body(content, at, salt, later) is not None:
            return int(later)
    return None


def _checksum(salt: bytes, number: int, body: bytes, flags: int) -> int:
    return zlib.crc32(body, zlib.crc32(_HEADER.pack(salt, number, len(body), flags, 0)))
