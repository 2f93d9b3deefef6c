"""Modules from directories: what counts, what is refused, and that nothing clashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyd.errors import ProgramError
from flowyd.worker.loading import Loaded, load_modules
from flowyd.worker.units import refuse_writable


def test_a_broken_module_is_reported_with_its_traceback_and_the_others_stand(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("value = 1\n")
    (tmp_path / "bad.py").write_text("def f():\n    return 1 / 0\nf()\n")

    loaded = load_modules([tmp_path])

    assert list(loaded.modules) == [str(tmp_path / "good.py")]
    assert "ZeroDivisionError" in loaded.broken[str(tmp_path / "bad.py")]
    assert "line 2, in f" in loaded.broken[str(tmp_path / "bad.py")]
    assert "loading.py" not in loaded.broken[str(tmp_path / "bad.py")]


def test_a_module_that_exits_is_broken_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)\n")

    assert "SystemExit" in load_modules([tmp_path]).broken[str(tmp_path / "leaves.py")]


def test_two_files_of_one_name_do_not_clash(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "same.py").write_text(f"value = {number}\n")

    loaded = load_modules([tmp_path / "1", tmp_path / "2"])

    assert [modules[0].value for modules in loaded.modules.values()] == [1, 2]


def test_a_package_is_one_module_with_its_submodules_and_their_imports(tmp_path: Path) -> None:
    package = tmp_path / "pictures"
    package.mkdir()
    (package / "__init__.py").write_text("from .deep import depth\n")
    (package / "deep.py").write_text("from . import _own\ndepth = _own.depth\n")
    (package / "_own.py").write_text("depth = 2\n")

    loaded = load_modules([tmp_path])

    (modules,) = loaded.modules.values()
    assert modules[0].depth == 2
    assert [module.__name__.rpartition(".")[2] for module in modules[1:]] == ["deep"]


def test_a_neighbour_for_own_use_is_imported_by_its_plain_name(tmp_path: Path) -> None:
    (tmp_path / "_neighbour_of_mine.py").write_text("value = 5\n")
    (tmp_path / "uses.py").write_text("from _neighbour_of_mine import value\n")

    loaded = load_modules([tmp_path])

    assert [modules[0].value for modules in loaded.modules.values()] == [5]


def test_what_is_no_module_is_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "half.py~", ".hidden.py", "_private.py"):
        (tmp_path / name).write_text("")
    (tmp_path / "no_package").mkdir()

    assert load_modules([tmp_path]) == Loaded(modules={}, broken={})


@pytest.mark.parametrize("what", ["file", "directory", "file in a package"])
def test_what_others_may_write_is_refused(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "modules"
    package = folder / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (folder / "single.py").write_text("")
    writable = {
        "file": folder / "single.py",
        "directory": folder,
        "file in a package": package / "__init__.py",
    }
    writable[what].chmod(0o777)

    broken = load_modules([folder]).broken

    assert ["can be written by others" in why for why in broken.values()] == [True]


def test_a_directory_that_is_not_there_is_reported(tmp_path: Path) -> None:
    assert list(load_modules([tmp_path / "none"]).broken) == [str(tmp_path / "none")]


def test_a_refusal_says_what_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o707)

    with pytest.raises(ProgramError, match="chmod go-w"):
        refuse_writable(tmp_path)
