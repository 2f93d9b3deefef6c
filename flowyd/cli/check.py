"""`flowyd check`: is the configuration right, and what is in effect?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from flowyd.cli import exits
from flowyd.cli.options import CONFIG_FILE
from flowyd.cli.output import print_json
from flowyd.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "check",
        help="is the configuration right?",
        description="Reads the configuration and names every mistake in it: its line, the value and what is "
        f"allowed. Exit code {exits.CONFIG} if there is one.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, nargs="?", help="default: that of --config")
    parser.add_argument("--show", action="store_true", help="print what is in effect, as TOML")
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace) -> int:
    """Checks one file; its problems are the answer as JSON, and otherwise go up as ConfigError."""
    from flowyd.config.load import load
    from flowyd.config.render import render
    from flowyd.console.view_model.wording import plural

    file = namespace.file or namespace.config or CONFIG_FILE
    try:
        config = load(file)
    except ConfigError as error:
        if not namespace.json:
            raise
        print_json({"file": str(file), "ok": False, "problems": error.problems})
        return exits.CONFIG
    if namespace.json:
        import tomli

        print_json({"file": str(config.file), "ok": True, "configuration": tomli.loads(render(config))})
    elif namespace.show:
        print(render(config), end="")
    else:
        workers = sum(pool.processes for pool in config.pools)
        pools = f"{plural(len(config.pools), 'pool')} with {plural(workers, 'worker')}"
        print(
            f"OK: {config.file}: {pools}, domain {config.flowyd.domain}, backend {config.swf.backend.value}"
        )
    return exits.DONE
