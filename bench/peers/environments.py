"""Environments of peers, outside the work tree: one virtualenv per peer in the user's cache folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DRIVERS = Path(__file__).resolve().parent.parent / "drivers"


def cache_folder() -> Path:
    """Where peers are installed: $FLOWYD_BENCH_CACHE, or flowyd/bench in the user's cache folder."""
    if chosen := os.environ.get("FLOWYD_BENCH_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flowyd" / "bench"


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment, whether it exists or not."""
    return cache_folder() / peer / "bin" / "python"


def missing_packages(peer: str, *modules: str) -> str:
    """Why a peer's environment is not enough; empty if all modules can be found in it."""
    python = python_of(peer)
    if not python.exists():
        return f"not installed: no {python}"
    finder = (
        "import sys, importlib.util as u; "
        "sys.exit(' '.join(m for m in sys.argv[1:] if not u.find_spec(m)) or 0)"
    )
    found = subprocess.run(
        [python, "-c", finder, *modules], capture_output=True, text=True, cwd="/", check=False
    )
    return f"not installed: {found.stderr.strip()}" if found.returncode else ""


def install_packages(peer: str, *requirements: str) -> None:
    """Makes the peer's environment and installs packages into it."""
    folder = cache_folder() / peer
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [str(python_of(peer)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *requirements], check=True)
