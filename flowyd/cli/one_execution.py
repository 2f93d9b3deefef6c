"""What the commands about one execution have in common: find it, look at it, and again with --watch."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from flowyd.cli import answers
from flowyd.cli.options import run_id_of
from flowyd.cli.reaching import Service, service
from flowyd.cli.watching import View, present
from flowyd.swf.closing import CloseWait


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One execution at one look."""

    #: The service it is in.
    reached: Service
    #: DescribeWorkflowExecution's answer.
    description: dict[str, Any]
    #: The whole history.
    events: list[answers.Event]


def present_execution(namespace: argparse.Namespace, view_of: Callable[[Seen], View]) -> int:
    """Prints the view of the execution that the command line names, once or until Ctrl-C; an exit code.

    Raises:
        FlowydError: there is no such execution, or the service is not there.
    """
    with service(namespace) as reached:
        execution = answers.find_execution(reached, namespace.workflow_id, run_id_of(namespace))
        close = CloseWait(reached.client, domain=reached.domain, execution=execution)
        known: list[answers.Event] = []
        is_open = True

        def look() -> View:
            nonlocal known, is_open
            description = answers.describe(reached, execution)
            known = answers.history(reached, execution, known)
            is_open = description["executionInfo"]["executionStatus"] == "OPEN"
            return view_of(Seen(reached=reached, description=description, events=known))

        def pause(seconds: float) -> None:
            (close.pause if is_open else time.sleep)(seconds)

        with closing(close):
            return present(namespace, look, remote=reached.remote, pause=pause)
