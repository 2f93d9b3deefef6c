"""HistoryIndex: an execution's history, folded into what a replay asks about.

Events go in once, in order (`extend`); raw events are not kept. Extending costs the same for every event,
however long the history is. One table says what each event type changes. Source of the event types and
their members: SWF API Reference, HistoryEvent; zero-valued members are always there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable

from flowyd.decider.recall import KNOWN_BYTES, Known
from flowyd.decider.records import (
    Arrival,
    Asked,
    Attributes,
    Decided,
    Event,
    Kind,
    Start,
    State,
    Target,
    arrival_of,
    is_own_timer,
)
from flowyd.errors import ProtocolError
from flowyd.swf.limits import DATA_CHARACTERS

#: Causes that pass: the same decision may succeed later (SWF API Reference, ScheduleActivityTaskFailed…).
_PASSING = ("_RATE_EXCEEDED", "_LIMIT_EXCEEDED")

#: A type that does not exist may be about to be registered, by a worker that is starting or a module that is
#: being rolled out: so many refusals in a row pass.
_ABSENT = "_TYPE_DOES_NOT_EXIST"
_ABSENT_REFUSALS = 3

_LIMITED = frozenset({Kind.ACTIVITY, Kind.CHILD, Kind.TIMER})

#: Bytes of memory an event takes besides its texts, roughly, measured on CPython 3.11.
_EVENT_BYTES = 200


class HistoryIndex:
    """The history of one execution up to `length` events. Not for two replays at the same time."""

    def __init__(self, *, workflow_id: str, run_id: str) -> None:
        self.workflow_id = workflow_id
        self.run_id = run_id
        #: Id of the last event taken in.
        self.length = 0
        #: Roughly the memory this takes.
        self.size_bytes = 0
        self.start: Start | None = None
        #: Completed decisions, oldest first.
        self.decided: list[Decided] = []
        #: The DecisionTaskStarted that came last, completed or not, and its time.
        self.started_id = 0
        self.started_at = 0.0
        self.asked: dict[Target, Asked] = {}
        #: Open now: tasks with their delays and pauses, and timers of the author's own.
        self.open_tasks = 0
        self.open_timers = 0
        self.signals: dict[str, list[Arrival]] = {}
        self.markers: dict[str, list[Arrival]] = {}
        #: Id of the first WorkflowExecutionCancelRequested; 0: none.
        self.cancel_requested_id = 0
        #: Id of the last event that refused a closing decision; 0: none.
        self.close_refused_id = 0
        #: By attribute and number: a cache of what replays have compared (see recall).
        self.known_calls: dict[str, dict[int, Known]] = {}
        self._news: list[Target] = []
        self._by_event: dict[int, Asked] = {}
        self._started_ids: list[int] = []
        self._started_times: dict[int, float] = {}

    def extend(self, events: Iterable[Event]) -> None:
        """Takes in what is new among the events; those it has already are skipped.

        Raises:
            ProtocolError: events are missing in between; the full history is needed.
        """
        for event in events:
            event_id = event["eventId"]
            if event_id <= self.length:
                continue
            if event_id != self.length + 1:
                raise ProtocolError(
                    f"the history of {self.workflow_id} jumps from event {self.length} to {event_id}"
                )
            if (folded := _FOLDED.get(event["eventType"])) is not None:
                fold, member = folded
                fold(self, event, event.get(member) or {})
            self.length = event_id
            self.size_bytes += _EVENT_BYTES

    def tell(self, target: Target) -> None:
        """Adds to the news."""
        self._news.append(target)

    def take_news(self) -> list[Target]:
        """What has changed since this was asked last: what ended or was refused, and signals that came."""
        news, self._news = self._news, []
        return news

    def remember(self, attribute: str, number: int, known: Known) -> None:
        """Keeps a compared call for later replays."""
        calls = self.known_calls.setdefault(attribute, {})
        if number not in calls:
            self.size_bytes += KNOWN_BYTES + len(known.held.input or "")
        calls[number] = known

    def find(self, kind: Kind, asked_id: str) -> Asked | None:
        """What was asked for under this id, if anything was."""
        return self.asked.get((kind, asked_id))

    def decision_after(self, order: int) -> int:
        """The started event id of the first decision that knew of event `order`.

        Decisions that were never completed do not count, except the one that is being made now.
        """
        place = bisect_right(self._started_ids, order)
        return self._started_ids[place] if place < len(self._started_ids) else self.started_id

    def decided_at(self, started_id: int) -> Decided | None:
        """The completed decision of that DecisionTaskStarted."""
        place = bisect_right(self._started_ids, started_id) - 1
        if place >= 0 and self._started_ids[place] == started_id:
            return self.decided[place]
        return None

    def time_of(self, started_id: int) -> float:
        """When that decision began, UTC epoch seconds."""
        decided = self.decided_at(started_id)
        return decided.started_at if decided else self.started_at

    def begin(self, event: Event, attributes: Attributes) -> None:
        """The execution started."""
        workflow_type = attributes["workflowType"]
        self.start = Start(
            input=attributes.get("input"),
            type_name=workflow_type["name"],
            type_version=workflow_type["version"],
            attributes=attributes,
            at=_seconds(event),
        )
        self.size_bytes += len(attributes.get("input") or "")

    def decision_started(self, event: Event, _: Attributes) -> None:
        """A decision began."""
        self.started_id = event["eventId"]
        self.started_at = _seconds(event)
        self._started_times = {self.started_id: self.started_at}

    def decision_completed(self, event: Event, attributes: Attributes) -> None:
        """A decision was accepted."""
        started_id = attributes["startedEventId"]
        self._started_ids.append(started_id)
        self.decided.append(
            Decided(
                started_id=started_id,
                started_at=self._started_times.get(started_id, self.started_at),
                completed_id=event["eventId"],
                open_after=self.open_tasks,
                timers_after=self.open_timers,
            )
        )

    def ask(self, asked: Asked, event_id: int) -> None:
        """A decision's request was taken, or refused for good."""
        earlier = self.asked.get((asked.kind, asked.id))
        asked.refusals = earlier.refusals if earlier else 0
        self.asked[asked.kind, asked.id] = asked
        if asked.state is State.OPEN:
            self._by_event[event_id] = asked
            self._count(asked, 1)
            if self.decided:
                self.decided[-1].open_after = self.open_tasks
                self.decided[-1].timers_after = self.open_timers
        else:
            asked.refusals += asked.state is State.THROTTLED
            self.tell((asked.kind, asked.id))
        length = len(asked.input or "")
        if self.decided:
            self.decided[-1].input_characters += length if asked.state is State.OPEN else DATA_CHARACTERS
        self.size_bytes += length + _EVENT_BYTES

    def close(self, asked: Asked | None, event_id: int, state: State, attributes: Attributes) -> None:
        """What was asked for came to an end."""
        if asked is None or asked.state is not State.OPEN:
            return
        self.tell((asked.kind, asked.id))
        asked.state = state
        asked.order = event_id
        asked.result = attributes.get("result")
        asked.reason = attributes.get("reason") or attributes.get("cause") or ""
        asked.details = attributes.get("details")
        asked.timeout_kind = attributes.get("timeoutType")
        self._count(asked, -1)
        self.size_bytes += len(asked.result or "") + len(asked.details or "")

    def _count(self, asked: Asked, change: int) -> None:
        if is_own_timer(asked.kind, asked.id):
            self.open_timers += change
        elif asked.kind in _LIMITED:
            self.open_tasks += change

    def take(self, event_id: int) -> Asked | None:
        """What was asked for by the event of that id, which is now no longer needed."""
        return self._by_event.pop(event_id, None)


def _seconds(event: Event) -> float:
    moment = event.get("eventTimestamp", 0.0)
    return float(moment.timestamp() if hasattr(moment, "timestamp") else moment)


def type_text(attributes: Attributes, member: str) -> str:
    """Name and version of a type as one text."""
    named = attributes[member]
    return f"{named['name']} {named['version']}"


_Fold = Callable[[HistoryIndex, Event, Attributes], None]


def _asks(kind: Kind, id_of: Callable[[Event, Attributes], str], what: Callable[[Attributes], str]) -> _Fold:
    def fold(index: HistoryIndex, event: Event, attributes: Attributes) -> None:
        asked = Asked(
            kind=kind,
            id=id_of(event, attributes),
            what=what(attributes),
            input=attributes.get("input"),
            state=State.OPEN,
            decision_id=attributes["decisionTaskCompletedEventId"],
        )
        index.ask(asked, event["eventId"])

    return fold


def _refuses(kind: Kind, member: str, what: Callable[[Attributes], str]) -> _Fold:
    def fold(index: HistoryIndex, event: Event, attributes: Attributes) -> None:
        cause = attributes["cause"]
        opened = index.take(attributes.get("initiatedEventId") or 0)
        earlier = index.find(kind, attributes[member])
        may_come = cause.endswith(_ABSENT) and (earlier is None or earlier.refusals < _ABSENT_REFUSALS)
        passing = may_come or cause.endswith(_PASSING)
        state = State.THROTTLED if passing else State.REFUSED
        if opened is not None:
            index.close(opened, event["eventId"], state, attributes)
            opened.refusals += passing
            return
        asked = Asked(
            kind=kind,
            id=attributes[member],
            what=what(attributes),
            input=None,
            state=state,
            decision_id=attributes.get("decisionTaskCompletedEventId") or 0,
            order=event["eventId"],
            reason=cause,
        )
        index.ask(asked, event["eventId"])

    return fold


def _closes(member: str, state: State) -> _Fold:
    def fold(index: HistoryIndex, event: Event, attributes: Attributes) -> None:
        index.close(index.take(attributes[member]), event["eventId"], state, attributes)

    return fold


def _cancel_requested(index: HistoryIndex, _: Event, attributes: Attributes) -> None:
    asked = index.find(Kind.ACTIVITY, attributes["activityId"])
    if asked is not None:
        asked.cancel_requested = True
        index.tell((asked.kind, asked.id))


def _external_cancel_initiated(index: HistoryIndex, event: Event, attributes: Attributes) -> None:
    _EXTERNAL_CANCEL(index, event, attributes)
    child = index.find(Kind.CHILD, attributes["workflowId"])
    if child is not None:
        child.cancel_requested = True
        index.tell((child.kind, child.id))


def _timer_canceled(index: HistoryIndex, event: Event, attributes: Attributes) -> None:
    asked = index.take(attributes["startedEventId"])
    if asked is not None:
        asked.cancel_requested = True
    index.close(asked, event["eventId"], State.CANCELED, attributes)


def _signaled(index: HistoryIndex, event: Event, attributes: Attributes) -> None:
    arrival = Arrival(order=event["eventId"], text=attributes.get("input"))
    arrived = index.signals.setdefault(attributes["signalName"], [])
    index.tell(arrival_of(attributes["signalName"], len(arrived)))
    arrived.append(arrival)
    index.size_bytes += len(arrival.text or "")


def _marked(index: HistoryIndex, event: Event, attributes: Attributes) -> None:
    arrival = Arrival(order=event["eventId"], text=attributes.get("details"))
    index.markers.setdefault(attributes["markerName"], []).append(arrival)
    index.size_bytes += len(arrival.text or "")


def _execution_cancel_requested(index: HistoryIndex, event: Event, _: Attributes) -> None:
    index.cancel_requested_id = index.cancel_requested_id or event["eventId"]


def _close_refused(index: HistoryIndex, event: Event, _: Attributes) -> None:
    index.close_refused_id = event["eventId"]


def _external_id(event: Event, attributes: Attributes) -> str:
    return attributes.get("control") or f"event-{event['eventId']}"


_EXTERNAL_CANCEL = _asks(Kind.CANCEL, _external_id, lambda a: str(a["workflowId"]))


def _activity_type(attributes: Attributes) -> str:
    return type_text(attributes, "activityType")


def _workflow_type(attributes: Attributes) -> str:
    return type_text(attributes, "workflowType")


#: What each event type changes; types that are not here change nothing a replay asks about.
_FOLDS: dict[str, _Fold] = {
    "WorkflowExecutionStarted": HistoryIndex.begin,
    "WorkflowExecutionSignaled": _signaled,
    "WorkflowExecutionCancelRequested": _execution_cancel_requested,
    "CompleteWorkflowExecutionFailed": _close_refused,
    "FailWorkflowExecutionFailed": _close_refused,
    "CancelWorkflowExecutionFailed": _close_refused,
    "ContinueAsNewWorkflowExecutionFailed": _close_refused,
    "DecisionTaskStarted": HistoryIndex.decision_started,
    "DecisionTaskCompleted": HistoryIndex.decision_completed,
    "ActivityTaskScheduled": _asks(Kind.ACTIVITY, lambda _, a: str(a["activityId"]), _activity_type),
    "ScheduleActivityTaskFailed": _refuses(Kind.ACTIVITY, "activityId", _activity_type),
    "ActivityTaskCompleted": _closes("scheduledEventId", State.COMPLETED),
    "ActivityTaskFailed": _closes("scheduledEventId", State.FAILED),
    "ActivityTaskTimedOut": _closes("scheduledEventId", State.TIMED_OUT),
    "ActivityTaskCanceled": _closes("scheduledEventId", State.CANCELED),
    "ActivityTaskCancelRequested": _cancel_requested,
    "TimerStarted": _asks(Kind.TIMER, lambda _, a: str(a["timerId"]), lambda a: str(a["startToFireTimeout"])),
    "StartTimerFailed": _refuses(Kind.TIMER, "timerId", lambda _: ""),
    "TimerFired": _closes("startedEventId", State.COMPLETED),
    "TimerCanceled": _timer_canceled,
    "MarkerRecorded": _marked,
    "StartChildWorkflowExecutionInitiated": _asks(
        Kind.CHILD, lambda _, a: str(a["workflowId"]), _workflow_type
    ),
    "StartChildWorkflowExecutionFailed": _refuses(Kind.CHILD, "workflowId", _workflow_type),
    "ChildWorkflowExecutionCompleted": _closes("initiatedEventId", State.COMPLETED),
    "ChildWorkflowExecutionFailed": _closes("initiatedEventId", State.FAILED),
    "ChildWorkflowExecutionTimedOut": _closes("initiatedEventId", State.TIMED_OUT),
    "ChildWorkflowExecutionCanceled": _closes("initiatedEventId", State.CANCELED),
    "ChildWorkflowExecutionTerminated": _closes("initiatedEventId", State.TERMINATED),
    "SignalExternalWorkflowExecutionInitiated": _asks(
        Kind.SIGNAL, _external_id, lambda a: f"{a['workflowId']} {a['signalName']}"
    ),
    "ExternalWorkflowExecutionSignaled": _closes("initiatedEventId", State.COMPLETED),
    "SignalExternalWorkflowExecutionFailed": _closes("initiatedEventId", State.REFUSED),
    "RequestCancelExternalWorkflowExecutionInitiated": _external_cancel_initiated,
    "ExternalWorkflowExecutionCancelRequested": _closes("initiatedEventId", State.COMPLETED),
    "RequestCancelExternalWorkflowExecutionFailed": _closes("initiatedEventId", State.REFUSED),
}

#: The same with the member that has the attributes; made once, as this is asked for every event.
_FOLDED = {name: (fold, f"{name[0].lower()}{name[1:]}EventAttributes") for name, fold in _FOLDS.items()}
