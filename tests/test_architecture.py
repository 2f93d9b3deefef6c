"""Imports go one way and the pure packages stay pure: docs/architecture.md, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "flowyd"
MODULES = sorted(PACKAGE.rglob("*.py"))

#: May import only what stands on its right, besides itself. Longest prefix wins.
ALLOWED = {
    "flowyd": set(),
    "flowyd.errors": set(),
    "flowyd.log": {"flowyd.errors"},
    "flowyd.swf": {"flowyd.errors"},
    "flowyd.swf.__main__": {"flowyd.cli"},
    # flowy's import paths: names of other modules and nothing else.
    "flowyd.exception": {"flowyd.sdk"},
    "flowyd.result": {"flowyd.sdk"},
    "flowyd.task": {"flowyd.sdk"},
    "flowyd.swf.boilerplate": {"flowyd.worker"},
    "flowyd.swf.scanner": {"flowyd.sdk"},
    "flowyd.swf.starter": {"flowyd.worker"},
    "flowyd.swf.task": {"flowyd.sdk"},
    "flowyd.sdk": {"flowyd.errors", "flowyd.swf"},
    "flowyd.control": {"flowyd.errors"},
    "flowyd.config": {"flowyd.errors", "flowyd.swf.limits"},
    "flowyd.decider": {"flowyd.errors", "flowyd.swf", "flowyd.sdk"},
    "flowyd.engine.rules": {"flowyd.errors", "flowyd.swf"},
    "flowyd.engine": {"flowyd.errors", "flowyd.swf", "flowyd.log", "flowyd.config"},
    "flowyd.worker": {
        "flowyd.errors",
        "flowyd.swf",
        "flowyd.log",
        "flowyd.config",
        "flowyd.control",
        "flowyd.sdk",
        "flowyd.decider",
    },
    "flowyd.supervisor": {
        "flowyd.errors",
        "flowyd.log",
        "flowyd.config",
        "flowyd.control",
        "flowyd.engine",
        "flowyd.worker",
    },
    "flowyd.console": {"flowyd.errors", "flowyd.swf", "flowyd.config", "flowyd.control", "flowyd.log"},
    "flowyd.testing": {
        "flowyd.errors",
        "flowyd.swf",
        "flowyd.config",
        "flowyd.sdk",
        "flowyd.decider",
        "flowyd.engine",
    },
    "flowyd.cli": {"flowyd"},
    "flowyd.__main__": {"flowyd.cli"},
}

#: Pure packages and modules: time, ids and randomness come in as arguments, effects go out as values.
PURE = (
    "flowyd.sdk",
    "flowyd.decider",
    "flowyd.engine.rules",
    "flowyd.supervisor.plan",
    "flowyd.control.drift",
    "flowyd.control.protocol",
    "flowyd.control.reports",
    "flowyd.control.status",
    "flowyd.console.view_model",
)
#: Making a UUID of given bytes is pure; making a new one is not.
HARMLESS = {"uuid.UUID"}
IMPURE = {"os", "socket", "sqlite3", "time", "threading", "asyncio", "random", "uuid", "subprocess"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, *, late: bool) -> set[str]:
    """The full names a module imports; with `late` also those inside functions and for the type checker."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if late else iter(_outside_functions(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _outside_functions(node: ast.AST) -> list[ast.AST]:
    found = []
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and not _for_type_checker(child):
            found += [child, *_outside_functions(child)]
    return found


def _for_type_checker(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_go_one_way(path: Path) -> None:
    module = module_name(path)
    group = max((g for g in ALLOWED if within(module, g)), key=len)

    ours = {name for name in imports(path, late=group != "flowyd") if within(name, "flowyd")}

    allowed = ALLOWED[group] | ({group} if group != "flowyd" else {"flowyd.errors"})
    assert not {name for name in ours if not any(within(name, a) for a in allowed)}


@pytest.mark.parametrize(
    "path", [p for p in MODULES if any(within(module_name(p), x) for x in PURE)], ids=module_name
)
def test_pure_modules_import_nothing_impure(path: Path) -> None:
    assert not {name for name in imports(path, late=True) - HARMLESS if name.split(".")[0] in IMPURE}


def test_only_one_module_imports_boto3() -> None:
    users = {
        module_name(p) for p in MODULES if any(n.split(".")[0] == "boto3" for n in imports(p, late=True))
    }

    assert users <= {"flowyd.swf.boto"}


def test_nothing_but_the_command_line_imports_the_console() -> None:
    users = {
        module_name(p)
        for p in MODULES
        if any(within(n, "flowyd.console") for n in imports(p, late=True))
        and not within(module_name(p), "flowyd.console")
    }

    assert all(within(user, "flowyd.cli") for user in users)


def test_import_flowyd_loads_nothing_heavy() -> None:
    code = "import sys, flowyd; print(' '.join(sys.modules))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert not {"boto3", "botocore", "textual", "sqlite3", "asyncio"} & set(loaded.split())
