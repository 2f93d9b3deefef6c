"""`python -m tests.power.run`: cuts the power of a machine under a writing engine, and looks what is left.

FLOWYD_POWER_CUT names a command that runs a program as root on a virtual machine with Python and cuts its
power. It is called as `$FLOWYD_POWER_CUT DISK --copy SRC:DST [--cut-when TEXT] -- PROGRAM…`: DISK is a file,
the machine's disk, and stays so from run to run; --copy puts a folder into the machine; --cut-when ends
the machine without warning once the program's output holds the text. What the machine had not synced is gone.

With durability full everything acknowledged must be there; with normal the last moments may be missing, but
the file must be sound and without gaps.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]
_PLACE = "/opt/flowyd-power"
#: What `flowyd engine` imports besides the standard library.
_DISTRIBUTIONS = ("httptools", "msgspec", "prometheus_client", "tomli", "typing_extensions")
_CUT_AT = {"full": 40, "normal": 400}


def main() -> int:
    command = shlex.split(os.environ.get("FLOWYD_POWER_CUT", ""))
    if not command:
        print("skipped: FLOWYD_POWER_CUT names no command that gives a machine whose power can be cut")
        return 0
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        program = packed(Path(folder))
        for durability, cut_at in _CUT_AT.items():
            copy = ["--copy", f"{program}:{_PLACE}"]
            disk = [*command, str(Path(folder) / durability), *copy]
            cut = f"acknowledged {cut_at}"
            written = said([*disk, "--cut-when", cut, "--", *inside("write", durability)], "acknowledged")
            kept = said([*disk, "--", *inside("check")], "kept")
            is_right = bool(written) and kept is not None and (durability == "normal" or kept >= written)
            failed += not is_right
            told = "as it must be" if is_right else "WRONG"
            print(f"durability {durability}: {written} acknowledged, {kept} kept: {told}", flush=True)
    return 1 if failed else 0


def inside(*words: str) -> list[str]:
    return ["/usr/bin/python3", f"{_PLACE}/inside.py", *words]


def said(command: list[str], word: str) -> int | None:
    """Runs it; the highest number that it said after the word."""
    ended = subprocess.run(command, capture_output=True, text=True)
    numbers = [int(number) for number in re.findall(rf"^{word} (\d+)\b", ended.stdout, re.MULTILINE)]
    if not numbers:
        print(ended.stdout, ended.stderr, sep="\n")
    return max(numbers, default=None)


def packed(folder: Path) -> Path:
    """A folder with inside.py and what it needs."""
    program = folder / "program"
    libraries = program / "libraries"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(_PROJECT / "flowyd", libraries / "flowyd", ignore=ignored)
    shutil.copy(_PROJECT / "tests" / "power" / "inside.py", program)
    for name in _DISTRIBUTIONS:
        for path in importlib.metadata.files(name) or ():
            if ".." not in path.parts:
                (libraries / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path.locate(), libraries / path)
    return program


if __name__ == "__main__":
    sys.exit(main())
