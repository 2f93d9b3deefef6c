"""Importing modules from contents in memory, as if they were read from their files.

Tracebacks show the path of the operator's file, with the lines of the version that runs. Within the folders
of the units only their files can be imported, and compiled extensions; nothing is written beside them.
"""

from __future__ import annotations

import importlib.machinery
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path

from flowyd.worker.units import Modules


class StoredLoader(importlib.machinery.SourceFileLoader):
    """A loader of one file whose content is in memory."""

    def __init__(self, name: str, path: str, content: bytes) -> None:
        super().__init__(name, path)
        self._content = content

    def get_data(self, path: str) -> bytes:
        """The content; data files of a package are read from its folder."""
        return self._content if path == self.path else super().get_data(path)

    def path_stats(self, path: str) -> dict[str, float]:
        """Raises OSError: there is no bytecode for contents in memory (importlib.abc.SourceLoader)."""
        raise OSError(path)


class FolderFinder:
    """Finds what one folder of the units holds (importlib.abc.PathEntryFinder)."""

    def __init__(self, folder: Path, sources: Sources) -> None:
        self._folder = folder
        self._sources = sources
        details = [(importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES)]
        if not sources.whole(folder):
            source = (importlib.machinery.SourceFileLoader, importlib.machinery.SOURCE_SUFFIXES)
            details.append(source)  # type: ignore[arg-type]  # the stubs know one kind of loader at a time
        self._files = importlib.machinery.FileFinder(str(folder), *details)

    def find_spec(
        self,
        name: str,
        target: object = None,  # noqa: ARG002  # importlib's signature
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module of this folder."""
        path = self._folder / name.rpartition(".")[2]
        found = self._sources.spec(name, path)
        return found if found is not None else self._files.find_spec(name)

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """Names of its modules and whether they are packages (pkgutil.iter_modules)."""
        for name, is_package in self._sources.within(self._folder):
            yield prefix + name, is_package

    def invalidate_caches(self) -> None:
        """For importlib.invalidate_caches."""
        self._files.invalidate_caches()


class Sources:
    """The files of some modules, importable once `install` was called."""

    def __init__(self, modules: Modules) -> None:
        self._files = {
            Path(file): modules.contents[digest]
            for unit in modules.units.values()
            for file, digest in unit.files
        }
        self._folders = {folder for file in self._files for folder in file.parents}
        roots = {Path(unit.root) for unit in modules.units.values()}
        self._whole = {root for root in roots if root not in self._files}
        #: Folders whose modules can be imported by plain name.
        self.import_folders = sorted({root.parent if root in self._files else root for root in roots})

    def install(self) -> None:
        """Makes the units' folders importable, after all libraries, so that none is hidden by a file."""
        sys.path_hooks.insert(0, self._hook)
        for folder in self.import_folders:
            if str(folder) not in sys.path:
                sys.path.append(str(folder))
            sys.path_importer_cache.pop(str(folder), None)

    def _hook(self, entry: str) -> FolderFinder:
        folder = Path(entry)
        if folder in self._folders and any(
            folder == root or root in folder.parents for root in self.import_folders
        ):
            return FolderFinder(folder, self)
        raise ImportError(entry, path=entry)

    def whole(self, folder: Path) -> bool:
        """Whether all Python files of the folder are known here."""
        return any(folder == root or root in folder.parents for root in self._whole)

    def spec(self, name: str, path: Path) -> importlib.machinery.ModuleSpec | None:
        """The spec of the module `path.py`, the package or the plain folder `path`."""
        package, file = path / "__init__.py", path.with_name(path.name + ".py")
        if package in self._files:
            return self.spec_of_file(name, package, folder=path)
        if file in self._files:
            return self.spec_of_file(name, file)
        if path in self._folders:
            spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(path)]
            return spec
        return None

    def spec_of_file(
        self, name: str, file: Path, *, folder: Path | None = None
    ) -> importlib.machinery.ModuleSpec:
        """The spec of one file; with `folder` it is that package's beginning."""
        content = self._files[file]
        text = content.decode("utf-8", errors="replace")
        # No time of change: the lines stay those of this content, whatever happens to the file.
        linecache.cache[str(file)] = (len(text), None, text.splitlines(keepends=True), str(file))
        loader = StoredLoader(name, str(file), content)
        spec = importlib.machinery.ModuleSpec(name, loader, origin=str(file), is_package=folder is not None)
        spec.has_location = True
        if folder is not None:
            spec.submodule_search_locations = [str(folder)]
        return spec

    def within(self, folder: Path) -> Iterator[tuple[str, bool]]:
        """Modules and packages directly in the folder."""
        for file in sorted(self._files):
            if file.parent == folder and file.stem != "__init__":
                yield file.stem, False
            elif file.name == "__init__.py" and file.parent.parent == folder:
                yield file.parent.name, True
