"""`flowyd backup`: a consistent copy of the engine's database while the engine serves from it."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flowyd.cli import exits
from flowyd.cli.options import CONFIG_FILE
from flowyd.cli.output import page_of, print_json
from flowyd.console.view_model import wording
from flowyd.errors import FlowydError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

#: Progress is shown so often.
_LOOK_S = 0.2


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "backup",
        help="copy the engine's database while it runs",
        description="Copies the engine's database to FILE: one consistent state, checked before it appears "
        "under its name. The engine may run or not. To restore: stop the daemon, put the file in the place "
        "of the database, remove the -wal and -shm files beside it, start the daemon.",
    )
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")
    parser.add_argument(
        "--database", metavar="PATH", type=Path, help="of `flowyd engine` (default: the configuration's)"
    )
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Copies.

    Raises:
        FlowydError: the database cannot be read, or the file exists or cannot be written.
        ConfigError: the configuration that names the database cannot be read.
    """
    # sqlite3: 10 ms.
    from flowyd.engine.backup import back_up

    database, target = namespace.database or _configured(namespace), namespace.file
    if target.is_dir():
        raise FlowydError(f"{target} is a directory; name a file in it")
    if not target.parent.is_dir():
        raise FlowydError(f"{target}: there is no directory {target.parent}")
    if target.exists() and not namespace.force:
        raise FlowydError(f"{target} exists already; name another file, or replace it with --force")
    if target.exists() and database.exists() and target.samefile(database):
        raise FlowydError(f"{target} is the engine's database itself; name another file")
    fresh = target.with_name(f".{target.name}.{os.getpid()}") if target.exists() else target
    begun = time.monotonic()
    with _progress(database, fresh, quiet=namespace.json):
        size = back_up(database=database, target=fresh)
    if fresh != target:
        fresh.replace(target)
    took = time.monotonic() - begun
    if namespace.json:
        print_json({"database": str(database), "file": str(target), "bytes": size, "seconds": round(took, 3)})
    else:
        print(f"{target}: {wording.size(size)}, complete and checked, in {wording.duration(took)}")
    return exits.DONE


def _configured(namespace: argparse.Namespace) -> Path:
    from flowyd.config.load import load

    config = load(namespace.config or CONFIG_FILE)
    if config.swf.backend.value != "embedded":
        raise FlowydError(f'{config.file}: backend = "aws": there is no database here, Amazon keeps it')
    return config.database


@contextlib.contextmanager
def _progress(database: Path, target: Path, *, quiet: bool) -> Iterator[None]:
    """Says on a terminal how much is copied: SQLite copies in one step, so the growing file is looked at."""
    page = page_of(sys.stderr)
    if quiet or not page.live:
        yield
        return
    done = threading.Event()
    looking = threading.Thread(target=_watch, args=(database, target, done), daemon=True)
    looking.start()
    try:
        yield
    finally:
        done.set()
        looking.join()
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _watch(database: Path, target: Path, done: threading.Event) -> None:
    unfinished = target.with_name(f"{target.name}.unfinished")
    while not done.wait(_LOOK_S):
        with contextlib.suppress(OSError):
            copied, whole = unfinished.stat().st_size, database.stat().st_size
            said = f"{wording.size(copied)} of about {wording.size(max(whole, copied))}"
            sys.stderr.write(f"\r\x1b[K{said}{', checking' if copied >= whole else ''}")
            sys.stderr.flush()
