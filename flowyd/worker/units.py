"""The modules of the operator's directories as they stand at one moment: units of files with their contents.

A unit is what stands or falls together: a file `x.py` or a folder `x/`. Units whose names begin with `_`, and
folders that are no packages, register nothing; the others of their directory import them by plain name.
Contents are known by their digests and kept by them in a folder, so that a version that served well can be
loaded again after the operator's file was changed. Nothing that others may write is taken up.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowyd.errors import ProgramError, StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One version of a module, a package, or what they import."""

    #: The file, or the package's folder.
    path: str
    #: The directory of the configuration it belongs to; for a file that is named there itself, the file.
    root: str
    #: Path and digest of each of its files, by path.
    files: tuple[tuple[str, str], ...]

    @property
    def version(self) -> str:
        """The same for the same contents under the same names."""
        return digest_of(json.dumps(self.files).encode())

    @property
    def registers(self) -> bool:
        """Whether it must register types; if not, it is there for others to import."""
        path = Path(self.path)
        if path.name.startswith("_"):
            return False
        return path.suffix == ".py" or str(path / "__init__.py") in dict(self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Modules:
    """What a worker serves: units and the contents of their files."""

    units: Mapping[str, Unit] = field(default_factory=dict)
    #: Contents by digest.
    contents: Mapping[str, bytes] = field(default_factory=dict)
    #: What is not served, and why: for the reason of tasks that nobody can run.
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What the directories hold."""

    #: By path.
    units: dict[str, Unit]
    contents: dict[str, bytes]
    #: Paths of units or whole directories that may not be taken up, and why.
    refused: dict[str, str]


def scan(roots: Iterable[Path]) -> Scanned:
    """Reads every unit of the directories; a path that is a file is a unit itself."""
    found = Scanned(units={}, contents={}, refused={})
    for root in roots:
        try:
            paths = unit_paths(root)
        except (OSError, ProgramError) as error:
            found.refused[str(root)] = str(error)
            continue
        for path in paths:
            try:
                _read_unit(path, root, found)
            except FileNotFoundError:
                # It went away while it was read: whoever watches will look again.
                continue
            except (OSError, ProgramError) as error:
                found.refused[str(path)] = str(error)
    return found


def unit_paths(root: Path) -> list[Path]:
    """The units of a directory by name.

    Raises:
        OSError: it cannot be read.
        ProgramError: others may write there.
    """
    if root.is_file():
        return [root]
    refuse_writable(root)
    return sorted(entry for entry in root.iterdir() if _may_be_unit(entry))


def _may_be_unit(entry: Path) -> bool:
    if entry.name.startswith(".") or entry.name == "__pycache__":
        return False
    if entry.is_dir():
        return entry.name.isidentifier()
    return entry.suffix == ".py" and entry.is_file()


def _read_unit(path: Path, root: Path, found: Scanned) -> None:
    files = []
    for file in _tree(path):
        refuse_writable(file)
        if file.suffix == ".py" and file.is_file():
            content = file.read_bytes()
            digest = digest_of(content)
            found.contents[digest] = content
            files.append((str(file), digest))
    if files:
        found.units[str(path)] = Unit(path=str(path), root=str(root), files=tuple(files))


def _tree(path: Path) -> list[Path]:
    """The path, and below a folder every folder and Python file that counts."""
    if path.is_file():
        return [path]
    found = [path]
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        found += [Path(folder, name) for name in folders]
        found += [
            Path(folder, name) for name in sorted(files) if name.endswith(".py") and not name.startswith(".")
        ]
    return found


def refuse_writable(path: Path) -> None:
    """Refuses a file or directory that somebody other than root or we could change.

    Raises:
        ProgramError: it is so; the message says what to do.
    """
    facts = path.stat()
    if facts.st_uid not in (0, os.geteuid()):
        raise ProgramError(
            f"{path} belongs to uid {facts.st_uid}; give it to root or to the daemon's user to have it loaded"
        )
    group_is_ours = facts.st_gid in (0, os.getegid())
    if facts.st_mode & stat.S_IWOTH or (facts.st_mode & stat.S_IWGRP and not group_is_ours):
        raise ProgramError(f"{path} can be written by others; chmod go-w it to have it loaded")


def digest_of(content: bytes) -> str:
    """The name of a content."""
    return hashlib.blake2b(content, digest_size=20).hexdigest()


def encode_unit(unit: Unit) -> dict[str, Any]:
    """The unit as JSON-able members."""
    return {"path": unit.path, "root": unit.root, "files": [list(file) for file in unit.files]}


def decode_unit(members: dict[str, Any]) -> Unit:
    """The unit of `encode_unit`'s members."""
    files = tuple((str(path), str(digest)) for path, digest in members["files"])
    return Unit(path=members["path"], root=members["root"], files=files)


class ContentStore:
    """Contents of files under their digests, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, contents: Mapping[str, bytes]) -> None:
        """Keeps the contents, on disk when it returns.

        Raises:
            StoreError: they cannot be written.
        """
        try:
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            for digest, content in contents.items():
                self._put_one(self._folder / digest, content)
        except OSError as error:
            raise StoreError(f"{self._folder}: {error.strerror}") from error

    def _put_one(self, path: Path, content: bytes) -> None:
        if path.exists():
            return
        written = path.with_name(f".{path.name}.{os.getpid()}")
        with written.open("wb") as file:
            os.fchmod(file.fileno(), 0o640)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)

    def get(self, units: Iterable[Unit]) -> dict[str, bytes]:
        """The contents of the units' files by digest.

        Raises:
            StoreError: one is missing or was changed.
        """
        found = {}
        for _, digest in (file for unit in units for file in unit.files):
            try:
                content = (self._folder / digest).read_bytes()
            except OSError as error:
                raise StoreError(f"{self._folder / digest}: {error.strerror}") from error
            if digest_of(content) != digest:
                raise StoreError(f"{self._folder / digest} is damaged")
            found[digest] = content
        return found

    def keep_only(self, digests: set[str]) -> None:
        """Forgets all other contents."""
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in digests:
                    path.unlink(missing_ok=True)
