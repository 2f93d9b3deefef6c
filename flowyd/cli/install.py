"""`flowyd install` and `flowyd uninstall`: unit, user, directories and configuration on this host."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from flowyd.cli import exits
from flowyd.cli.output import print_json
from flowyd.errors import FlowydError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from flowyd.cli.installation import Placed

#: A system command that takes longer hangs.
_COMMAND_S = 60.0

_NOTES = {"kept": "kept as it is: edited; the new one is beside it as NAME.new"}


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds both commands to the command line."""
    root = argparse.ArgumentParser(add_help=False)
    root.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        default=Path("/"),
        help="for packagers: place files below DIR only",
    )
    install = subparsers.add_parser(
        "install",
        parents=[root],
        help="place unit, user, directories and configuration on this host",
        description="Places the systemd units, the user flowyd, its directories and /etc/flowyd.toml. May be "
        "run again at any time; a file that was edited is never overwritten. Starts nothing.",
    )
    install.add_argument("--program", metavar="FILE", help="what the unit starts (default: this flowyd)")
    install.add_argument("--samples", action="store_true", help="also the image sample's two modules")
    install.add_argument(
        "--aws",
        action="store_true",
        help="also a drop-in that hands /etc/flowyd/aws-credentials to the service",
    )
    install.add_argument(
        "--users",
        action="store_true",
        help="also a drop-in with which the service runs as root, so that pools may have users of their own",
    )
    install.set_defaults(run=run_install)
    uninstall = subparsers.add_parser(
        "uninstall",
        parents=[root],
        help="remove what install placed",
        description="Removes what install placed, but nothing that was edited, and never the state.",
    )
    uninstall.set_defaults(run=run_uninstall)


def run_install(namespace: argparse.Namespace) -> int:
    """Installs; 0 also when nothing had to be done."""
    from flowyd.cli.installation import Choice, install

    here = namespace.root == Path("/")
    choice = Choice(
        root=namespace.root,
        program=namespace.program or _this_program(),
        samples=namespace.samples,
        aws=namespace.aws,
        users=namespace.users,
        old_systemd=here and 0 < _systemd_version() < 253,
    )
    _show(namespace, list(install(choice)))
    if here:
        _run_where_there_is(("systemd-sysusers",))
        _run_where_there_is(("systemd-tmpfiles", "--create", "flowyd.conf"))
        _run_where_there_is(("systemctl", "daemon-reload"))
        print("start it:  systemctl enable --now flowyd.socket flowyd.service", file=sys.stderr)
    return exits.DONE


def run_uninstall(namespace: argparse.Namespace) -> int:
    """Uninstalls."""
    from flowyd.cli.installation import uninstall

    here = namespace.root == Path("/")
    if here:
        _run_where_there_is(("systemctl", "disable", "--now", "flowyd.socket", "flowyd.service"))
    _show(namespace, list(uninstall(namespace.root)))
    if here:
        _run_where_there_is(("systemctl", "daemon-reload"))
    return exits.DONE


def _show(namespace: argparse.Namespace, placed: Sequence[Placed]) -> None:
    if namespace.json:
        print_json([asdict(one) for one in placed])
        return
    _print(placed)


def _print(placed: Iterable[Placed]) -> None:
    for one in placed:
        print(f"{one.what:<9}  {one.path}{'  ' + _NOTES[one.what] if one.what in _NOTES else ''}")


def _this_program() -> str:
    """The path of the flowyd that runs now."""
    called = Path(sys.argv[0])
    if called.name == "flowyd" and called.exists():
        return os.path.abspath(called)
    return shutil.which("flowyd") or "/usr/bin/flowyd"


def _systemd_version() -> int:
    """Its number; 0 where there is none."""
    if shutil.which("systemctl") is None:
        return 0
    words = subprocess.run(
        ["systemctl", "--version"], capture_output=True, text=True, timeout=_COMMAND_S, check=False
    ).stdout.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def _run_where_there_is(command: Sequence[str]) -> None:
    if shutil.which(command[0]) is None:
        return
    done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=False)
    if done.returncode != 0:
        raise FlowydError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
