"""What code waits for besides tasks: timers, signals, and deliveries to other executions; and cancelling."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from flowyd.decider import decisions as wire
from flowyd.decider.asking import Requests
from flowyd.decider.index import HistoryIndex
from flowyd.decider.outcomes import Decision
from flowyd.decider.progress import Progress
from flowyd.decider.records import Kind, State, arrival_of
from flowyd.decider.unanswered import Unanswered
from flowyd.sdk.failures import PayloadError, TaskCanceled, TaskError, TaskRefused
from flowyd.sdk.payloads import payloads
from flowyd.sdk.placeholder import Error, Placeholder, Result, ResultObject
from flowyd.sdk.serialize import decode_value, encode_value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    """Something for another execution."""

    kind: Kind
    control: str
    decision: Decision
    what: str
    #: What travels with it, and the text that this is or stands for.
    input_text: str | None = None
    payload: str = ""


class Waits:
    """Timers, signals and deliveries of one run of the code."""

    def __init__(
        self, index: HistoryIndex, progress: Progress, requests: Requests, unanswered: Unanswered
    ) -> None:
        self._index = index
        self._progress = progress
        self._requests = requests
        self._unanswered = unanswered
        self._numbers: Counter[str] = Counter()

    def _number(self, name: str) -> int:
        self._numbers[name] += 1
        return self._numbers[name] - 1

    def timer(self, seconds: float) -> ResultObject[None]:
        """The next timer of the author's own, `timer-<n>`; it does not hold up completion."""
        timer_id = f"timer-{self._number('timer')}"
        whole = max(-int(-seconds // 1), 0)
        return self._unanswered.answer(lambda: self._timer(timer_id, whole))

    def _timer(self, timer_id: str, whole: int) -> ResultObject[None]:
        held = self._requests.known(Kind.TIMER, timer_id, what=str(whole), awaited=False)
        shown = f"{timer_id} ({whole} s)"
        if held is None:
            decision = wire.start_timer(timer_id, whole)
            self._requests.ask(Kind.TIMER, timer_id, decision, what=str(whole))
        if held is None or held.state in (State.OPEN, State.THROTTLED):
            return Placeholder(call=shown, watcher=self._progress, target=(Kind.TIMER, timer_id))
        if held.state is State.COMPLETED:
            return Result(None, call=shown, order=held.order, watcher=self._progress)
        error: TaskError = TaskCanceled(f"{shown} was canceled", call=shown)
        if held.state is State.REFUSED:
            error = TaskRefused(held.reason, call=shown)
        return Error(error, call=shown, order=held.order, watcher=self._progress)

    def signal(self, name: str) -> ResultObject[Any]:
        """The next signal of that name; what is not JSON is its text."""
        number = self._number(f"signal {name}")
        return self._unanswered.answer(lambda: self._signal(name, number), waits_for=arrival_of(name, number))

    def _signal(self, name: str, number: int) -> ResultObject[Any]:
        arrived = self._index.signals.get(name, ())
        shown = f"signal {name}-{number}"
        if number >= len(arrived):
            return Placeholder(call=shown, watcher=self._progress)
        arrival = arrived[number]
        return Result(_read(arrival.text), call=shown, order=arrival.order, watcher=self._progress)

    def send_signal(self, workflow_id: str, name: str, value: Any, run_id: str | None) -> ResultObject[None]:
        """Signals another execution; the control member of the decision finds it again."""
        control = f"signal-{self._number('send')}"
        payload = encode_value(value)
        text = payloads.reference(payload, f"the value of {control} to {workflow_id}")
        decision = wire.signal_external(
            control=control, workflow_id=workflow_id, run_id=run_id, name=name, input_text=text
        )
        return self._deliver(
            _Delivery(
                kind=Kind.SIGNAL,
                control=control,
                decision=decision,
                what=f"{workflow_id} {name}",
                input_text=text,
                payload=payload,
            )
        )

    def request_cancel(self, workflow_id: str, run_id: str | None) -> ResultObject[None]:
        """Asks another execution to cancel."""
        control = f"cancel-{self._number('cancel')}"
        decision = wire.request_cancel_external(control=control, workflow_id=workflow_id, run_id=run_id)
        return self._deliver(
            _Delivery(kind=Kind.CANCEL, control=control, decision=decision, what=workflow_id)
        )

    def _deliver(self, delivery: _Delivery) -> ResultObject[None]:
        return self._unanswered.answer(lambda: self._delivered(delivery))

    def _delivered(self, delivery: _Delivery) -> ResultObject[None]:
        kind, what, text = delivery.kind, delivery.what, delivery.input_text
        held = self._requests.known(kind, delivery.control, what=what, input_text=text, awaited=False)
        shown = f"{kind.value} {what}"
        if held is None:
            payloads.store(delivery.payload)
            self._requests.ask(kind, delivery.control, delivery.decision, what=what, input_text=text)
        if held is None or held.state is State.OPEN:
            return Placeholder(call=shown, watcher=self._progress)
        if held.state is State.COMPLETED:
            return Result(None, call=shown, order=held.order, watcher=self._progress)
        return Error(
            TaskRefused(held.reason, call=shown), call=shown, order=held.order, watcher=self._progress
        )


def _read(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return decode_value(payloads.text(text))
    except PayloadError:
        return text
