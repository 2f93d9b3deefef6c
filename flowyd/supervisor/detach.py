"""Running in the background on hosts without systemd: pid file, log file, and a session of its own.

What can go wrong (another daemon, a socket, a directory) is found before the process leaves its terminal, so
it is said there. The lock on the runtime directory keeps a second daemon out, not the pid file: a pid file
left behind by a killed daemon is overwritten.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TextIO

from flowyd.errors import FlowydError


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """Where a daemon in the background leaves its pid and its log."""

    pid_file: Path
    log_file: Path

    @contextlib.contextmanager
    def entered(self, *, keep: Sequence[int]) -> Iterator[None]:
        """Leaves the terminal: from here on this is another process, with only these descriptors kept.

        Raises:
            FlowydError: one of the files cannot be written.
        """
        # 60 ms, only for hosts without systemd.
        from daemon import DaemonContext
        from daemon.daemon import DaemonError

        with self._opened_log() as log:
            context = DaemonContext(
                working_directory="/",
                umask=0o027,
                detach_process=True,
                files_preserve=[*keep, log],
                stdout=log,
                stderr=log,
                # The supervisor has its own.
                signal_map={},
                pidfile=_PidFile(self.pid_file),
            )
            try:
                context.open()
            except (DaemonError, OSError) as error:
                raise FlowydError(f"the daemon cannot go into the background: {error}") from error
            try:
                yield
            finally:
                context.close()

    def _opened_log(self) -> TextIO:
        try:
            log = open(self.log_file, "a", encoding="utf-8", opener=_for_the_owners_group)  # noqa: SIM115 - our caller closes it
            self.pid_file.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(self.pid_file.parent, os.W_OK):
                # Found before the terminal is gone.
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.pid_file))
            return log
        except OSError as error:
            raise FlowydError(f"{error.filename}: cannot be written: {error.strerror}") from error


class _PidFile:
    """Holds our pid as long as it is entered."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> _PidFile:
        # Whole at any moment: whoever waits for the file may read it.
        new = self._path.with_name(f".{self._path.name}.new")
        new.write_text(f"{os.getpid()}\n")
        new.chmod(0o644)
        os.replace(new, self._path)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self._path.read_text() == f"{os.getpid()}\n":
                self._path.unlink()


def _for_the_owners_group(path: str, flags: int) -> int:
    return os.open(path, flags, 0o640)
