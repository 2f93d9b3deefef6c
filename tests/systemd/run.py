"""`make test-systemd`: runs inside.py on a machine with systemd.

FLOWYD_SYSTEMD names a command that boots such a machine and runs a program in it as root. It is called as
`$FLOWYD_SYSTEMD --bind SRC:DST … -- PROGRAM…`, where --bind shows a folder of this machine there, read-only.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path


def main() -> int:
    command = shlex.split(os.environ.get("FLOWYD_SYSTEMD", ""))
    if not command:
        print("skipped: FLOWYD_SYSTEMD names no command that gives a machine with systemd")
        return 0
    project = Path(__file__).resolve().parents[2]
    libraries = sysconfig.get_paths()["purelib"]
    binds = ["--bind", f"{project}:/opt/flowyd/project", "--bind", f"{libraries}:/opt/flowyd/libraries"]
    inside = ["/usr/bin/python3", "/opt/flowyd/project/tests/systemd/inside.py"]
    return subprocess.run([*command, *binds, "--", *inside]).returncode


if __name__ == "__main__":
    sys.exit(main())
