"""The command line of `python -m flowyd.swf`: `flowyd start` in the tutorial's spelling."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from flowyd.cli import exits
from flowyd.cli.options import add_global_options
from flowyd.cli.payloads import sent
from flowyd.cli.reaching import service
from flowyd.cli.start import add_start_options, input_of, print_ids, request_of, started
from flowyd.errors import ConfigError, FlowydError, UnreachableError


def main(argv: Sequence[str] | None = None) -> int:
    """Starts a workflow and prints its ids; an exit code of `flowyd.cli.exits`."""
    parser = argparse.ArgumentParser(
        prog="python -m flowyd.swf",
        description="Starts a workflow. Everything after VERSION goes to its run() as text.",
    )
    add_global_options(parser, defaults=True)
    add_start_options(parser)
    parser.add_argument("domain", metavar="DOMAIN")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("version", metavar="VERSION")
    rest = parser.add_argument("arguments", metavar="ARG", nargs=argparse.REMAINDER)
    # It may be nothing; argparse would name it among what is missing.
    rest.required = False
    parser.set_defaults(parser=parser, json_args=None, kwargs=None, input=None)
    parser.set_defaults(workflow_id=None, tag=[], priority=None)
    namespace = parser.parse_args(argv)
    try:
        text = sent(namespace, input_of(namespace), "the input")
        with service(namespace) as reached:
            request = request_of(namespace, text, reached.domain)
            run_id = started(reached, request)
    except ConfigError as error:
        return _failed(error, exits.CONFIG)
    except UnreachableError as error:
        return _failed(error, exits.UNREACHABLE)
    except FlowydError as error:
        return _failed(error, exits.FAILED)
    print_ids(namespace, {"workflowId": request["workflowId"], "runId": run_id}, namespace.domain)
    return exits.DONE


def _failed(error: FlowydError, code: int) -> int:
    print(f"flowyd: {error}", file=sys.stderr)
    return code
