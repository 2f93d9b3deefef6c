"""What comes of a run of the author's code: how it was left, turned into an outcome.

Nothing closes an execution while something it asked for is open, but for the ways that say so. A closing
decision is only made where the code has asked again for all that the history holds.
"""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass
from typing import Any

from flowyd.decider import decisions as wire
from flowyd.decider.caller import TaskFailed
from flowyd.decider.canceling import carry_out, go_on_after, waited_for
from flowyd.decider.determinism import Divergence
from flowyd.decider.needs import decide_after
from flowyd.decider.outcomes import (
    Broken,
    Canceled,
    Completed,
    Decision,
    Failed,
    Outcome,
    Restarted,
    Suspended,
)
from flowyd.decider.progress import OurFault
from flowyd.decider.records import Target, is_own_timer
from flowyd.decider.replay import Replay
from flowyd.decider.sources import raising_line
from flowyd.sdk.failures import CancelRequested, PayloadLost, RestartRequested, SuspendTask, TaskError
from flowyd.sdk.nested import Findings, fill
from flowyd.sdk.payloads import sent
from flowyd.sdk.placeholder import Error
from flowyd.sdk.tracebacks import Failure, describe, reason_of
from flowyd.sdk.workflow import LONG_HISTORY_EVENTS, Finish, Restart, Workflow
from flowyd.swf.limits import DATA_CHARACTERS

#: Decisions that may stand in one list with a closing one (swf: close decisions).
_COMPATIBLE = frozenset(
    {"RecordMarker", "SignalExternalWorkflowExecution", "RequestCancelExternalWorkflowExecution"}
)


@dataclass(frozen=True, slots=True)
class Returned:
    """The run returned."""

    value: Any


@dataclass(frozen=True, slots=True)
class NextRound:
    """The run begins again from the top, in the same execution, with these arguments as JSON."""

    input: str


#: How a run ended: the value it returned, or what it was left by.
End = Returned | BaseException


def conclude(workflow: Workflow, replay: Replay, left_by: End) -> Outcome | NextRound:
    """What becomes of a run that was left in this way.

    Raises:
        Divergence: code and history do not fit.
    """
    warnings = _warnings(replay)
    end = replay.progress.ending or left_by
    if isinstance(end, SuspendTask):
        return _suspend(replay, warnings)
    if isinstance(end, Divergence):
        raise end
    if isinstance(end, OurFault):
        return our_fault(end.error)
    if isinstance(end, PayloadLost):
        return Broken(reason=str(end))
    if isinstance(end, TaskFailed):
        return _fail_by_task(end.error, warnings)
    if isinstance(end, CancelRequested):
        return _cancel(replay, replay.progress.cancel_wishes, warnings)
    if isinstance(end, RestartRequested):
        return _restart(workflow, replay, Restart(end.arguments, end.keywords, end.settings), warnings)
    if isinstance(end, BaseException):
        _check_failure_is_new(replay, end)
        return _fail_by_task(end, warnings) if isinstance(end, TaskError) else _fail(describe(end), warnings)
    return _return(workflow, replay, end.value, warnings)


def went_on(workflow: Workflow | None) -> str:
    """The warning for code that would not let itself be suspended."""
    return (
        f"{type(workflow).__name__}.run went on after it was suspended: some `except` caught SuspendTask;"
        " catch Exception, not BaseException, and write no bare except"
    )


def _warnings(replay: Replay) -> tuple[str, ...]:
    """What the author should be told, once: in the first decision that finds it."""
    index = replay.index
    told_at = index.decided[-1].started_id if index.decided else 0
    if index.length < LONG_HISTORY_EVENTS or told_at >= LONG_HISTORY_EVENTS:
        return ()
    return (
        f"the history has {index.length} events; the service ends an execution at 25,000: restart() in time",
    )


def _suspend(replay: Replay, warnings: tuple[str, ...], context: str | None = None) -> Outcome:
    canceled = carry_out(replay.progress.cancel_wishes, replay.index, replay.requests)
    if canceled:
        _go_on_without(canceled, replay, returned=context is not None)
    replay.requests.check_nothing_forgotten()
    waiting = replay.progress.waiting if context is None else context
    return Suspended(
        decisions=replay.requests.decisions,
        execution_context=waiting[:DATA_CHARACTERS],
        warnings=warnings,
        decide_after=decide_after(replay, returned=context is not None),
    )


def _go_on_without(canceled: list[Target], replay: Replay, *, returned: bool) -> None:
    """Sees to it that the run learns of a canceled timer that it cannot do without."""
    if returned:
        needed = [timer for timer in canceled if not is_own_timer(*timer)]
    else:
        waited = waited_for(replay.progress.waiting_for)
        needed = [timer for timer in canceled if timer in waited]
    if needed:
        go_on_after(needed[0], replay.requests)


def _wait_for_rest(replay: Replay, warnings: tuple[str, ...]) -> Outcome:
    """The run returned but something is open; a cancel request then needs no more waiting."""
    if replay.progress.cancel_precedes(None):
        return _cancel(replay, [*replay.progress.cancel_wishes, *replay.progress.asked_for], warnings)
    context = json.dumps({"waits_for": [], "returned": True, "open": replay.unanswered.outstanding})
    return _suspend(replay, warnings, context)


def _cancel(replay: Replay, wishes: list[Target], warnings: tuple[str, ...]) -> Outcome:
    carry_out(wishes, replay.index, replay.requests)
    return Canceled(decisions=[*_compatible(replay), wire.cancel_execution()], warnings=warnings)


def _return(workflow: Workflow, replay: Replay, value: Any, warnings: tuple[str, ...]) -> Outcome | NextRound:
    if isinstance(value, Restart):
        return _restart(workflow, replay, value, warnings)
    at_once = isinstance(value, Finish)
    try:
        findings = Findings()
        filled = fill(value.value if isinstance(value, Finish) else value, findings)
        if findings.errors:
            return _fail_by_task(_earliest(findings.errors).exception, warnings)
        if findings.unfinished or (replay.unanswered.outstanding and not at_once):
            return _wait_for_rest(replay, warnings)
        name = f"the result of {type(workflow).__name__}"
        text = sent(workflow._serialize_result(filled), name)
    except Exception as error:
        return _fail(describe(error), warnings)
    carry_out(replay.progress.cancel_wishes, replay.index, replay.requests)
    replay.requests.check_nothing_forgotten()
    return Completed(
        decisions=[*_compatible(replay), wire.complete_execution(text)], result=text, warnings=warnings
    )


def _earliest(errors: list[Error[Any]]) -> Error[Any]:
    return min(errors, key=lambda error: error.order or 0)


def _restart(
    workflow: Workflow, replay: Replay, restart: Restart, warnings: tuple[str, ...]
) -> Outcome | NextRound:
    findings = Findings()
    arguments = fill(restart.arguments, findings)
    keywords = fill(restart.keywords, findings)
    if findings.errors:
        return _fail_by_task(_earliest(findings.errors).exception, warnings)
    if findings.unfinished or replay.unanswered.outstanding:
        return _wait_for_rest(replay, warnings)
    in_place = replay.begins_round(restart)
    if not in_place and replay.progress.cancel_precedes(None):
        return _cancel(replay, replay.progress.cancel_wishes, warnings)
    try:
        text = sent(
            workflow._serialize_restart_arguments(*arguments, **keywords),
            f"the arguments to restart {type(workflow).__name__}",
        )
    except Exception as error:
        return _fail(describe(error), warnings)
    if in_place:
        return NextRound(text)
    replay.requests.check_nothing_forgotten()
    started = replay.index.start.attributes if replay.index.start else {}
    close = wire.continue_as_new(started=started, overlay=restart.settings, input_text=text)
    return Restarted(decisions=[*_compatible(replay), close], input=text, warnings=warnings)


def _compatible(replay: Replay) -> list[Decision]:
    return [one for one in replay.requests.decisions if one["decisionType"] in _COMPATIBLE]


def _fail_by_task(error: TaskError, warnings: tuple[str, ...]) -> Outcome:
    failure = describe(error)
    return _fail(Failure(reason=failure.reason, details=error.details or failure.details), warnings)


def _fail(failure: Failure, warnings: tuple[str, ...]) -> Outcome:
    close = wire.fail_execution(failure.reason, failure.details)
    return Failed(decisions=[close], reason=failure.reason, details=failure.details, warnings=warnings)


def _check_failure_is_new(replay: Replay, error: BaseException) -> None:
    """An exception at a point which an earlier decision passed is a changed program, not an answer.

    Raises:
        Divergence: it is one.
    """
    progress = replay.progress
    if not progress.replaying or replay.index.close_refused_id > progress.decision:
        return
    raise Divergence(
        code_asks=f"the end of the execution by {type(error).__name__}: {reason_of(error)}",
        history_holds=f"more: the decision begun by event {progress.decision} passed this point",
        call="",
        where=raising_line(error),
    )


def our_fault(error: Exception) -> Broken:
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return Broken(reason=f"flowyd failed to decide: {reason_of(error)}", traceback=text)
