"""Modules from the operator's directories, imported each under a name of its own.

Two directories may hold files of the same name. A module that cannot be imported is reported with its
traceback and the others stand.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from flowyd.errors import ProgramError
from flowyd.worker.sources import Sources
from flowyd.worker.units import Modules, Unit, scan

_PACKAGE = "flowyd_modules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the modules gave."""

    #: Path to its module, a package's submodules after it, in the order of loading.
    modules: dict[str, tuple[ModuleType, ...]]
    #: Path to traceback or reason.
    broken: dict[str, str]


def load_modules(roots: Iterable[Path]) -> Loaded:
    """Imports every module of the directories; a path that is a file is itself the module."""
    found = scan(roots)
    loaded = load_units(Modules(units=found.units, contents=found.contents))
    return Loaded(modules=loaded.modules, broken={**found.refused, **loaded.broken})


def load_module(path: Path) -> tuple[ModuleType, ...]:
    """Imports one file.

    Raises:
        ProgramError: it cannot be imported.
    """
    loaded = load_modules([path])
    for why in loaded.broken.values():
        raise ProgramError(why)
    return loaded.modules[str(path)]


def load_units(modules: Modules, begin: Callable[[str], object] = lambda _: None) -> Loaded:
    """Imports the units that register something, by path.

    Args:
        begin: told each path before it is imported.
    """
    sources = Sources(modules)
    sources.install()
    loaded = Loaded(modules={}, broken={})
    for path, unit in sorted(modules.units.items()):
        if not unit.registers:
            continue
        begin(path)
        try:
            loaded.modules[path] = _load(unit, sources)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | MemoryError):
                raise
            loaded.broken[path] = traceback_from(path, error)
    return loaded


def _load(unit: Unit, sources: Sources) -> tuple[ModuleType, ...]:
    """The unit's module; of a package all submodules too."""
    path = Path(unit.path)
    name = f"{_PACKAGE}_{hashlib.blake2b(os.fsencode(path), digest_size=6).hexdigest()}_{path.stem}"
    is_file = path.suffix == ".py"
    spec = (
        sources.spec_of_file(name, path)
        if is_file
        else sources.spec_of_file(name, path / "__init__.py", folder=path)
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        assert spec.loader is not None
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


def traceback_from(path: str, error: BaseException) -> str:
    """The traceback without the frames of this loader and of importlib."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(ours)] if ours else []
    return "".join([*lines, *traceback.format_exception_only(type(error), error)]).rstrip() or path
