"""One call of a proxy: from its arguments and the history to a result object.

The order is fixed. (1) The call takes its number: per attribute, in program order, whatever its arguments
are; so no call ever takes the number of another. (2) An argument that failed makes the call fail; one that
is not finished makes it wait. (3) A delay timer comes before the first attempt. (4) Attempts follow one
another, each in one of the states of the table at the end; the first that is not over, or is over for good,
answers. A call that an earlier replay has compared already takes the short way (`_answer_again`), to the
same answer; one that is not finished is answered again when there is news of it (see unanswered). Ids:
`<attribute>-<call>-<attempt>`; a child's workflow id has the parent's run id in front.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from flowyd.decider import decisions as wire
from flowyd.decider.asking import Requests
from flowyd.decider.index import HistoryIndex
from flowyd.decider.outcomes import Decision
from flowyd.decider.progress import Progress
from flowyd.decider.recall import Known, unchanging
from flowyd.decider.records import Asked, Kind, State, Target
from flowyd.decider.unanswered import Unanswered
from flowyd.sdk.failures import (
    PayloadError,
    TaskCanceled,
    TaskError,
    TaskRefused,
    TaskTerminated,
    TaskTimedout,
)
from flowyd.sdk.nested import Findings, fill
from flowyd.sdk.payloads import payloads
from flowyd.sdk.placeholder import EncodedResult, Error, Placeholder, Result, ResultObject, Timeout
from flowyd.sdk.scheduling import Callee, TaskKind
from flowyd.sdk.tracebacks import read_details


class TaskFailed(BaseException):
    """Raised through the author's code when a task fails whose errors are not handled: the run fails."""

    def __init__(self, error: TaskError) -> None:
        super().__init__(error)
        self.error = error


@dataclass(slots=True)
class _Call:
    """One call, and how far its attempts are. It may be answered many times."""

    callee: Callee
    number: int
    #: `resize-0`, its type, and both for messages.
    name: str
    what: str
    shown: str
    #: What it was given; once it waits, a copy that the code cannot change any more.
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    #: The input, and what travels for it: itself, or a reference to where it is stored. None: not known yet.
    payload: str | None = None
    input_text: str = ""
    #: Arguments to be remembered with it (see recall); None: it is not one to be remembered.
    remembered: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    #: Event id that had to be known before the first attempt could be asked for, and the next one.
    known_at: int = 0
    since: int = 0
    attempt: int = 0
    timeouts: int = 0
    failures: int = 0

    def start_over(self) -> None:
        """Back to the first attempt."""
        self.since = self.known_at
        self.attempt = self.timeouts = self.failures = 0


#: None: go on with the next attempt.
_Step = Callable[["Caller", _Call, Asked], "ResultObject[Any] | None"]


class _Line:
    """The calls of one attribute."""

    __slots__ = ("known", "number")

    def __init__(self, known: dict[int, Known]) -> None:
        #: Number of the next call.
        self.number = 0
        self.known = known


class Caller:
    """Answers the calls of one run of the code."""

    def __init__(
        self, index: HistoryIndex, progress: Progress, requests: Requests, unanswered: Unanswered
    ) -> None:
        self._index = index
        self._progress = progress
        self._requests = requests
        self._unanswered = unanswered
        self._lines: dict[str, _Line] = {}
        self._child_prefix = safe_id(index.run_id)

    def call(self, callee: Callee, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> ResultObject[Any]:
        """The result object of the next call of this attribute.

        Raises:
            TaskFailed: the task failed and its errors are not handled.
            PayloadError: the arguments cannot travel; the message names the call.
        """
        line = self._lines.get(callee.attribute)
        if line is None:
            known_calls = self._index.known_calls.setdefault(callee.attribute, {})
            line = self._lines[callee.attribute] = _Line(known_calls)
        number = line.number
        line.number = number + 1
        known = line.known.get(number)
        if known is not None and known.is_call(callee, arguments, keywords):
            answer = self._answer_again(known)
            if answer is not None:
                return answer
        name = f"{callee.attribute}-{number}"
        what = f"{callee.type_name} {callee.type_version}"
        call = _Call(callee, number, name, what, f"{name} ({what})", arguments, keywords)
        return self._unanswered.answer(lambda: self._answer(call), is_task=True)

    def _answer_again(self, known: Known) -> ResultObject[Any] | None:
        """The short way: the answer of a call that is completed, and was compared before.

        Does what `_attempt` would do for it, and no more; None where the long way has more to do.
        """
        held = known.held
        if held.state is not State.COMPLETED or held.refusals or held.cancel_requested:
            return None
        self._requests.touch(known.key, held)
        if known.has_value():
            return Result(known.value, call=known.shown, order=held.order, watcher=self._progress)
        text = "null" if held.result is None else held.result
        return EncodedResult(text, known.decode, call=known.shown, order=held.order, watcher=self._progress)

    def _answer(self, call: _Call) -> ResultObject[Any]:
        """The long way."""
        if call.payload is None:
            waits = self._prepare(call)
            if waits is not None:
                return waits
        call.start_over()
        if call.callee.settings.delay:
            waits = self._wait(f"{call.name}-delay", call.callee.settings.delay, call)
            if waits is not None:
                return waits
        return self._attempt(call)

    def _prepare(self, call: _Call) -> ResultObject[Any] | None:
        """Fixes the call's input; its answer, if that must wait or an argument failed."""
        findings = Findings()
        arguments, keywords = _filled(call, findings)
        if findings.errors:
            return self._pass_on(call.callee, call.shown, findings.errors)
        if findings.unfinished:
            self._keep_arguments(call)
            return Placeholder(call=call.shown, watcher=self._progress, waiting_for=findings.unfinished)
        if not call.callee.settings.delay and self._requests.holds_back(key := self._key(call)):
            self._keep_arguments(call)
            return Placeholder(call=call.shown, watcher=self._progress, target=key)
        call.payload, call.input_text = _serialized(call, arguments, keywords)
        call.known_at = findings.order
        if not call.callee.settings.delay and unchanging(arguments, keywords):
            call.remembered = (arguments, keywords)
        return None

    def _keep_arguments(self, call: _Call) -> None:
        """Sees to it that what the code does to its arguments from now on is nothing to the call."""
        try:
            call.arguments, call.keywords = deepcopy((call.arguments, call.keywords))
        except Exception:  # it cannot be copied, whatever the reason
            self._unanswered.can_go_on = False

    def _attempt(self, call: _Call) -> ResultObject[Any]:
        while True:
            key = self._key(call)
            held = self._held(call, key)
            if held is None:
                return self._placeholder(call, key)
            answer = _STEPS[held.state](self, call, held)
            if answer is not None:
                return answer
            call.attempt += 1
            call.since = max(call.since, held.order)
            waits = self._pause(call) if held.state is State.FAILED else None
            if waits is not None:
                return waits

    def _held(self, call: _Call, key: Target) -> Asked | None:
        """What the history holds of the attempt with this key; asks for it if that is nothing."""
        callee, what = call.callee, call.what
        kind, task_id = key
        held = self._requests.known(kind, task_id, what=what, input_text=call.input_text)
        if held is None:
            payloads.store(call.payload or "")
            decision = _decision(callee, task_id, call.input_text)
            self._requests.ask(
                kind, task_id, decision, what=what, input_text=call.input_text, since=call.since
            )
        elif call.remembered is not None and call.attempt == 0:
            arguments, keywords = call.remembered
            known = Known(callee, arguments, keywords, held=held, shown=call.shown, read=callee.deserialize)
            self._index.remember(callee.attribute, call.number, known)
            call.remembered = None
        return held

    def _wait(self, timer_id: str, seconds: int, call: _Call) -> ResultObject[Any] | None:
        """What the call is while its timer runs, or if that was canceled; None once it has fired."""
        what = str(seconds)
        held = self._requests.known(Kind.TIMER, timer_id, what=what)
        if held is None:
            timer = wire.start_timer(timer_id, seconds)
            self._requests.ask(Kind.TIMER, timer_id, timer, what=what, since=call.since)
        if held is None or held.state in (State.OPEN, State.THROTTLED):
            return Placeholder(call=call.shown, watcher=self._progress, target=(Kind.TIMER, timer_id))
        if held.state is not State.COMPLETED:
            return _STEPS[held.state](self, call, held)
        call.since = max(call.since, held.order)
        return None

    def _pause(self, call: _Call) -> ResultObject[Any] | None:
        """As `_wait`, for the pause that the retry policy wants before the next attempt."""
        policy = call.callee.settings.retry_policy
        timer_id = f"{call.name}-{call.attempt}-retry"
        seconds = policy.pause_s(call.failures, f"{self._index.run_id} {timer_id}") if policy else 0
        return self._wait(timer_id, seconds, call) if seconds > 0 else None

    def _placeholder(self, call: _Call, key: Target) -> ResultObject[Any]:
        return Placeholder(call=call.shown, watcher=self._progress, target=key)

    def _key(self, call: _Call) -> Target:
        """What the present attempt asks for."""
        task_id = f"{call.name}-{call.attempt}"
        if call.callee.kind is TaskKind.CHILD:
            return (Kind.CHILD, f"{self._child_prefix}-{task_id}")
        return (Kind.ACTIVITY, task_id)

    def _pass_on(self, callee: Callee, shown: str, errors: list[Error[Any]]) -> ResultObject[Any]:
        """The Error of a call whose arguments failed: of those known when the code first got here."""
        earliest = min(errors, key=lambda error: error.order or 0)
        order = earliest.order or 0
        first_known = self._index.decision_after(max(order, self._progress.order))
        known = [error for error in errors if (error.order or 0) < first_known] or [earliest]
        exception = known[0].exception if len(known) == 1 else _joined(known)
        if not callee.settings.error_handling and not self._progress.cancel_precedes(order):
            self._progress.end(TaskFailed(exception))
        if len(known) == 1 and isinstance(known[0], Timeout):
            return Timeout(exception, call=shown, order=order, watcher=self._progress)
        return Error(exception, call=shown, order=order, watcher=self._progress)

    def stay(self, call: _Call, held: Asked) -> ResultObject[Any] | None:
        """It runs, or the pause after a refusal does."""
        return self._placeholder(call, (held.kind, held.id))

    def complete(self, call: _Call, held: Asked) -> ResultObject[Any] | None:
        """It has a value. No result text (another decider's child) is None."""
        text = "null" if held.result is None else held.result
        deserialize = call.callee.deserialize

        def decode(travelled: str) -> Any:
            return deserialize(payloads.text(travelled))

        return EncodedResult(text, decode, call=call.shown, order=held.order, watcher=self._progress)

    def fail(self, call: _Call, held: Asked) -> ResultObject[Any] | None:
        """It failed: the retry policy decides."""
        remote = read_details(held.details)
        call.failures += 1
        policy = call.callee.settings.retry_policy
        if policy is not None and policy.tries_again(call.failures, remote.error_type):
            return None
        error = TaskError(
            held.reason,
            details=held.details,
            call=call.shown,
            error_type=remote.error_type,
            remote_traceback=remote.traceback,
        )
        return self._settle(call, held, error)

    def time_out(self, call: _Call, held: Asked) -> ResultObject[Any] | None:
        """It ran out of time: another attempt at once, while `retry` has some left."""
        call.timeouts += 1
        if call.timeouts <= call.callee.settings.retry:
            return None
        error = TaskTimedout(kind=held.timeout_kind, details=held.details, call=call.shown)
        return self._settle(call, held, error)

    def refuse(self, call: _Call, held: Asked) -> ResultObject[Any] | None:
        """The service would not start it; the reason is its cause."""
        return self._settle(call, held, TaskRefused(held.reason, call=call.shown))

    def cancel(self, call: _Call, held: Asked) -> ResultObject[Any] | None:
        """It was canceled. On this run's own request that never fails the run by itself."""
        error = TaskCanceled(f"{call.shown} was canceled", details=held.details, call=call.shown)
        if held.cancel_requested:
            return Error(error, call=call.shown, order=held.order, watcher=self._progress)
        return self._settle(call, held, error)

    def terminate(self, call: _Call, held: Asked) -> ResultObject[Any] | None:
        """The child was terminated."""
        error = TaskTerminated(f"{call.shown} was terminated", details=held.details, call=call.shown)
        return self._settle(call, held, error)

    def _settle(self, call: _Call, held: Asked, error: TaskError) -> ResultObject[Any]:
        """An Error object where errors are handled, the end of the run where not.

        A failure that came after a cancel request only ends the run if the code waits for it: the request
        is delivered first.
        """
        if not call.callee.settings.error_handling and not self._progress.cancel_precedes(held.order):
            self._progress.end(TaskFailed(error))
        if isinstance(error, TaskTimedout):
            return Timeout(error, call=call.shown, order=held.order, watcher=self._progress)
        return Error(error, call=call.shown, order=held.order, watcher=self._progress)


#: What an attempt in each state means for its call.
_STEPS: dict[State, _Step] = {
    State.OPEN: Caller.stay,
    State.THROTTLED: Caller.stay,
    State.COMPLETED: Caller.complete,
    State.FAILED: Caller.fail,
    State.TIMED_OUT: Caller.time_out,
    State.REFUSED: Caller.refuse,
    State.CANCELED: Caller.cancel,
    State.TERMINATED: Caller.terminate,
}


def safe_id(run_id: str) -> str:
    """A run id without the characters that SWF's names do not allow."""
    return run_id.replace("/", "_").replace("+", "-").replace(":", "-").rstrip("=")


def _filled(call: _Call, findings: Findings) -> tuple[Any, Any]:
    try:
        named = fill(call.keywords, findings) if call.keywords else call.keywords
        return fill(call.arguments, findings), named
    except RecursionError:
        raise PayloadError(
            f"the arguments of {call.shown} contain themselves, or are nested too deeply"
        ) from None


def _serialized(call: _Call, arguments: Any, keywords: Any) -> tuple[str, str]:
    """The input's text, and what travels for it."""
    try:
        text = call.callee.serialize(*arguments, **keywords)
        return text, payloads.reference(text, f"the input of {call.shown}")
    except Exception as error:
        if isinstance(error, PayloadError) and call.shown in str(error):
            raise
        raise PayloadError(f"the arguments of {call.shown} cannot travel: {error}") from error


def _decision(callee: Callee, task_id: str, input_text: str) -> Decision:
    if callee.kind is TaskKind.CHILD:
        return wire.start_child(
            workflow_id=task_id,
            name=callee.type_name,
            version=callee.type_version,
            input_text=input_text,
            settings=callee.settings,
        )
    return wire.schedule_activity(
        activity_id=task_id,
        name=callee.type_name,
        version=callee.type_version,
        input_text=input_text,
        settings=callee.settings,
    )


def _joined(errors: list[Error[Any]]) -> TaskError:
    return TaskError("\n".join(error.reason for error in errors))
