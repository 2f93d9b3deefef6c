"""Modules from the operator's directories: which files count, who may write them, how they are imported.

Each file `x.py` and each package `x/` of a directory is one module under a name of its own, so that two
directories may hold files of the same name. Names that begin with `_` or `.` are for the modules' own use;
they, and their neighbours, can be imported by plain name. A module that cannot be imported is reported with
its traceback and the others stand. Nothing that somebody other than root or we may write is imported.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import pkgutil
import stat
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from flowyd.errors import ProgramError

_PACKAGE = "flowyd_modules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the directories gave."""

    #: Path to its module, a package's submodules after it, in the order of loading.
    modules: dict[str, tuple[ModuleType, ...]]
    #: Path to traceback or reason.
    broken: dict[str, str]


def load_modules(directories: Iterable[Path]) -> Loaded:
    """Imports every module of the directories; a path that is a file is itself the module."""
    modules: dict[str, tuple[ModuleType, ...]] = {}
    broken: dict[str, str] = {}
    for directory in directories:
        try:
            paths = module_paths(directory)
        except (OSError, ProgramError) as error:
            broken[str(directory)] = str(error)
            continue
        for path in paths:
            try:
                modules[str(path)] = load_module(path)
            except ProgramError as error:
                broken[str(path)] = str(error)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt | MemoryError):
                    raise
                broken[str(path)] = _traceback_from(path, error)
    return Loaded(modules=modules, broken=broken)


def module_paths(directory: Path) -> list[Path]:
    """The modules of a directory by name: files, and packages as their folders.

    Raises:
        OSError: it cannot be read.
        ProgramError: others may write there.
    """
    if directory.is_file():
        return [directory]
    refuse_writable(directory)
    return sorted(entry for entry in directory.iterdir() if _is_module(entry))


def load_module(path: Path) -> tuple[ModuleType, ...]:
    """Imports one module under a name of its own; of a package all submodules too.

    Raises:
        ProgramError: others may write to it.
        BaseException: whatever its code raises.
    """
    for file in _files_of(path):
        refuse_writable(file)
    name = f"{_PACKAGE}_{hashlib.blake2b(os.fsencode(path.resolve()), digest_size=6).hexdigest()}_{path.stem}"
    folder = str(path.parent.resolve())
    if folder not in sys.path:
        # Last, so that a file named like a library does not hide it.
        sys.path.append(folder)
    package = path / "__init__.py"
    spec = (
        importlib.util.spec_from_file_location(name, package, submodule_search_locations=[str(path)])
        if path.is_dir()
        else importlib.util.spec_from_file_location(name, path)
    )
    if spec is None or spec.loader is None:
        raise ProgramError(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        return module, *_submodules(module)
    except BaseException:
        for loaded in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
            del sys.modules[loaded]
        raise


def _submodules(package: ModuleType) -> list[ModuleType]:
    """Every submodule of the package that is not for its own use only."""
    found = pkgutil.walk_packages(getattr(package, "__path__", []), package.__name__ + ".")
    names = [info.name for info in found if not info.name.rpartition(".")[2].startswith("_")]
    return [importlib.import_module(name) for name in names]


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


def _is_module(entry: Path) -> bool:
    if entry.name.startswith(("_", ".")):
        return False
    if entry.is_dir():
        return (entry / "__init__.py").is_file() and entry.name.isidentifier()
    return entry.suffix == ".py" and entry.is_file()


def _files_of(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    inside = [*path.rglob("*.py"), *(folder for folder in path.rglob("*") if folder.is_dir())]
    return [path, *inside]


def _traceback_from(path: Path, error: BaseException) -> str:
    """The traceback without the frames of this loader and of importlib."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(ours)] if ours else []
    return "".join([*lines, *traceback.format_exception_only(type(error), error)]).rstrip() or str(path)
