"""One call of a proxy: from its arguments and the history to a result object.

The order is fixed. (1) The call takes its number: per attribute, in program order, whatever its arguments
are; so no call ever takes the number of another. (2) An argument that failed makes the call fail; one that
is not finished makes it wait. (3) A delay timer comes before the first attempt. (4) Attempts follow one
another, each in one of the states of the table at the end; the first that is not over, or is over for good,
answers. A call that an earlier replay has compared already takes the short way (`_answer_again`), to the
same answer. Ids: `<attribute>-<call>-<attempt>`; a child's workflow id has the parent's run id in front.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowyd.decider import decisions as wire
from flowyd.decider.asking import Requests
from flowyd.decider.index import HistoryIndex
from flowyd.decider.outcomes import Decision
from flowyd.decider.progress import Progress
from flowyd.decider.recall import Known, unchanging
from flowyd.decider.records import Asked, Kind, State
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
class _Attempts:
    """How far the attempts of one call are."""

    callee: Callee
    #: `resize-0`, and with its type for messages.
    name: str
    shown: str
    #: The input, and what travels for it: itself, or a reference to where it is stored.
    payload: str
    input_text: str
    #: Where to remember the call; None: it is not one to be remembered.
    remember: Callable[[Asked], None] | None
    #: Event id that had to be known before the next attempt could be asked for.
    since: int
    number: int = 0
    timeouts: int = 0
    failures: int = 0


#: None: go on with the next attempt.
_Step = Callable[["Caller", _Attempts, Asked], "ResultObject[Any] | None"]


class _Line:
    """The calls of one attribute."""

    __slots__ = ("known", "number")

    def __init__(self, known: dict[int, Known]) -> None:
        #: Number of the next call.
        self.number = 0
        self.known = known


class Caller:
    """Answers the calls of one run of the code."""

    def __init__(self, index: HistoryIndex, progress: Progress, requests: Requests) -> None:
        self._index = index
        self._progress = progress
        self._requests = requests
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
        return self._call(callee, arguments, keywords, number)

    def _answer_again(self, known: Known) -> ResultObject[Any] | None:
        """The short way: the answer of a call that is open or completed, and was compared before.

        Does what `_attempt` would do for it, and no more; None where the long way has more to do.
        """
        held = known.held
        if held.refusals or held.cancel_requested:
            return None
        state = held.state
        if state is State.COMPLETED:
            self._requests.touch(known.key, held)
            if known.has_value():
                return Result(known.value, call=known.shown, order=held.order, watcher=self._progress)
            text = "null" if held.result is None else held.result
            return EncodedResult(
                text, known.decode, call=known.shown, order=held.order, watcher=self._progress
            )
        if state is State.OPEN:
            self._requests.touch(known.key, held)
            self._requests.outstanding += 1
            return Placeholder(call=known.shown, watcher=self._progress, target=known.key)
        return None

    def _call(
        self, callee: Callee, given: tuple[Any, ...], named: dict[str, Any], number: int
    ) -> ResultObject[Any]:
        """The long way."""
        name = f"{callee.attribute}-{number}"
        shown = f"{name} ({callee.type_name} {callee.type_version})"
        findings = Findings()
        arguments, keywords = _filled(given, named, shown, findings)
        if findings.errors:
            return self._pass_on(callee, shown, findings.errors)
        if findings.unfinished:
            return Placeholder(call=shown, watcher=self._progress, waiting_for=findings.unfinished)
        if not callee.settings.delay and self._requests.holds_back(key := self._first_key(callee, name)):
            return Placeholder(call=shown, watcher=self._progress, target=key)
        payload, travels = _serialized(callee, shown, arguments, keywords)
        remember = None
        if not callee.settings.delay and unchanging(arguments, keywords):
            remember = self._remembering(callee, arguments, keywords, number, shown)
        attempts = _Attempts(callee, name, shown, payload, travels, remember, since=findings.order)
        if callee.settings.delay:
            waits = self._wait(f"{name}-delay", callee.settings.delay, attempts)
            if waits is not None:
                return waits
        return self._attempt(attempts)

    def _remembering(
        self, callee: Callee, arguments: tuple[Any, ...], keywords: dict[str, Any], number: int, shown: str
    ) -> Callable[[Asked], None]:
        def remember(held: Asked) -> None:
            known = Known(callee, arguments, keywords, held=held, shown=shown, read=callee.deserialize)
            self._index.remember(callee.attribute, number, known)

        return remember

    def _first_key(self, callee: Callee, name: str) -> tuple[Kind, str]:
        if callee.kind is TaskKind.CHILD:
            return (Kind.CHILD, f"{self._child_prefix}-{name}-0")
        return (Kind.ACTIVITY, f"{name}-0")

    def _attempt(self, attempts: _Attempts) -> ResultObject[Any]:
        while True:
            held = self._held(attempts)
            if held is None:
                return self._placeholder(attempts)
            answer = _STEPS[held.state](self, attempts, held)
            if answer is not None:
                return answer
            attempts.number += 1
            attempts.since = max(attempts.since, held.order)
            waits = self._pause(attempts) if held.state is State.FAILED else None
            if waits is not None:
                return waits

    def _held(self, attempts: _Attempts) -> Asked | None:
        """What the history holds of this attempt; asks for it if that is nothing."""
        callee = attempts.callee
        what = f"{callee.type_name} {callee.type_version}"
        kind = Kind.CHILD if callee.kind is TaskKind.CHILD else Kind.ACTIVITY
        task_id = self._task_id(attempts)
        held = self._requests.known(kind, task_id, what=what, input_text=attempts.input_text)
        if held is not None:
            if attempts.remember is not None and attempts.number == 0:
                attempts.remember(held)
        else:
            payloads.store(attempts.payload)
            decision = _decision(callee, task_id, attempts.input_text)
            self._requests.ask(
                kind, task_id, decision, what=what, input_text=attempts.input_text, since=attempts.since
            )
        return held

    def _wait(self, timer_id: str, seconds: int, attempts: _Attempts) -> ResultObject[Any] | None:
        """What the call is while its timer runs, or if that was canceled; None once it has fired."""
        what = str(seconds)
        held = self._requests.known(Kind.TIMER, timer_id, what=what)
        if held is None:
            timer = wire.start_timer(timer_id, seconds)
            self._requests.ask(Kind.TIMER, timer_id, timer, what=what, since=attempts.since)
        if held is None or held.state in (State.OPEN, State.THROTTLED):
            return Placeholder(call=attempts.shown, watcher=self._progress, target=(Kind.TIMER, timer_id))
        if held.state is not State.COMPLETED:
            return _STEPS[held.state](self, attempts, held)
        attempts.since = max(attempts.since, held.order)
        return None

    def _pause(self, attempts: _Attempts) -> ResultObject[Any] | None:
        """As `_wait`, for the pause that the retry policy wants before the next attempt."""
        policy = attempts.callee.settings.retry_policy
        timer_id = f"{attempts.name}-{attempts.number}-retry"
        seconds = policy.pause_s(attempts.failures, f"{self._index.run_id} {timer_id}") if policy else 0
        return self._wait(timer_id, seconds, attempts) if seconds > 0 else None

    def _placeholder(self, attempts: _Attempts) -> ResultObject[Any]:
        kind = Kind.CHILD if attempts.callee.kind is TaskKind.CHILD else Kind.ACTIVITY
        return Placeholder(
            call=attempts.shown, watcher=self._progress, target=(kind, self._task_id(attempts))
        )

    def _task_id(self, attempts: _Attempts) -> str:
        task_id = f"{attempts.name}-{attempts.number}"
        return f"{self._child_prefix}-{task_id}" if attempts.callee.kind is TaskKind.CHILD else task_id

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

    def stay(self, attempts: _Attempts, _: Asked) -> ResultObject[Any] | None:
        """It runs, or the pause after a refusal does."""
        return self._placeholder(attempts)

    def complete(self, attempts: _Attempts, held: Asked) -> ResultObject[Any] | None:
        """It has a value. No result text (another decider's child) is None."""
        text = "null" if held.result is None else held.result
        deserialize = attempts.callee.deserialize

        def decode(travelled: str) -> Any:
            return deserialize(payloads.text(travelled))

        return EncodedResult(text, decode, call=attempts.shown, order=held.order, watcher=self._progress)

    def fail(self, attempts: _Attempts, held: Asked) -> ResultObject[Any] | None:
        """It failed: the retry policy decides."""
        remote = read_details(held.details)
        attempts.failures += 1
        policy = attempts.callee.settings.retry_policy
        if policy is not None and policy.tries_again(attempts.failures, remote.error_type):
            return None
        error = TaskError(
            held.reason,
            details=held.details,
            call=attempts.shown,
            error_type=remote.error_type,
            remote_traceback=remote.traceback,
        )
        return self._settle(attempts, held, error)

    def time_out(self, attempts: _Attempts, held: Asked) -> ResultObject[Any] | None:
        """It ran out of time: another attempt at once, while `retry` has some left."""
        attempts.timeouts += 1
        if attempts.timeouts <= attempts.callee.settings.retry:
            return None
        error = TaskTimedout(kind=held.timeout_kind, details=held.details, call=attempts.shown)
        return self._settle(attempts, held, error)

    def refuse(self, attempts: _Attempts, held: Asked) -> ResultObject[Any] | None:
        """The service would not start it; the reason is its cause."""
        return self._settle(attempts, held, TaskRefused(held.reason, call=attempts.shown))

    def cancel(self, attempts: _Attempts, held: Asked) -> ResultObject[Any] | None:
        """It was canceled. On this run's own request that never fails the run by itself."""
        error = TaskCanceled(f"{attempts.shown} was canceled", details=held.details, call=attempts.shown)
        if held.cancel_requested:
            return Error(error, call=attempts.shown, order=held.order, watcher=self._progress)
        return self._settle(attempts, held, error)

    def terminate(self, attempts: _Attempts, held: Asked) -> ResultObject[Any] | None:
        """The child was terminated."""
        error = TaskTerminated(f"{attempts.shown} was terminated", details=held.details, call=attempts.shown)
        return self._settle(attempts, held, error)

    def _settle(self, attempts: _Attempts, held: Asked, error: TaskError) -> ResultObject[Any]:
        """An Error object where errors are handled, the end of the run where not.

        A failure that came after a cancel request only ends the run if the code waits for it: the request
        is delivered first.
        """
        if not attempts.callee.settings.error_handling and not self._progress.cancel_precedes(held.order):
            self._progress.end(TaskFailed(error))
        if isinstance(error, TaskTimedout):
            return Timeout(error, call=attempts.shown, order=held.order, watcher=self._progress)
        return Error(error, call=attempts.shown, order=held.order, watcher=self._progress)


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


def _filled(
    arguments: tuple[Any, ...], keywords: dict[str, Any], shown: str, findings: Findings
) -> tuple[Any, Any]:
    try:
        named = fill(keywords, findings) if keywords else keywords
        return fill(arguments, findings), named
    except RecursionError as error:
        raise PayloadError(
            f"the arguments of {shown} contain themselves, or are nested too deeply"
        ) from error


def _serialized(callee: Callee, shown: str, arguments: Any, keywords: Any) -> tuple[str, str]:
    """The input's text, and what travels for it."""
    try:
        text = callee.serialize(*arguments, **keywords)
        return text, payloads.reference(text, f"the input of {shown}")
    except Exception as error:
        if isinstance(error, PayloadError) and shown in str(error):
            raise
        raise PayloadError(f"the arguments of {shown} cannot travel: {error}") from error


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
