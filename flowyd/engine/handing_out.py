"""Handing out tasks: the Started event, and the answers to PollForDecisionTask and PollForActivityTask.

A further page of a decision task's history is asked for with a token from the page before. It is served to
whoever has the token, writes nothing, and carries another task token for the same task (recorded). Its
token is bound to execution, task and the members of the poll except identity.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from flowyd.engine.context import Context, Request
from flowyd.engine.executions import Hot
from flowyd.engine.histories import event_page, run_of
from flowyd.engine.matching import Task
from flowyd.engine.rules import requests
from flowyd.engine.rules.deadlines import created_by_hand_out
from flowyd.engine.rules.evolve import note_handed_out_again, note_offered_again
from flowyd.engine.rules.requests import unknown_execution
from flowyd.engine.writes import ListKey
from flowyd.swf.faults import ValidationException
from flowyd.swf.limits import PAGE_EVENTS

#: The kind of task that each poll is for.
POLL_KINDS = {"PollForActivityTask": "activity", "PollForDecisionTask": "decision"}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def take(context: Context, key: ListKey) -> Task | None:
    """The first task of a list that can still be handed out."""
    while True:
        task = context.matching.take(key)
        if task is None or is_current(context, key, task):
            return task


def is_current(context: Context, key: ListKey, task: Task) -> bool:
    """False for a task that closed since it was handed out or put back on offer."""
    hot = context.executions.get(task.execution_id)
    if hot is None or not hot.state.is_open:
        return False
    if key[1] == "activity":
        activity = hot.state.activities.get(task.scheduled_event_id)
        return activity is not None and activity.started_event_id == task.started_event_id
    decision = hot.state.started_decision if task.started_event_id else hot.state.scheduled_decision
    return decision is not None and decision.scheduled_event_id == task.scheduled_event_id


def put_back(context: Context, key: ListKey, task: Task) -> None:
    """Puts a started task, which is current, on offer again; the clocks of an activity task stand meanwhile.

    In the store, that they stand is also what says that the task is on offer. Its row in `hand_outs` may get
    lost, and nobody would see to a task that has neither a worker nor a clock (`put_back_activities`).
    """
    context.matching.offer_again(key, task)
    hot = context.executions.get(task.execution_id)
    assert hot is not None, "it is current"
    activity = hot.state.activities.get(task.scheduled_event_id)
    if activity is not None and not activity.on_offer_again:
        note_offered_again(activity)
        context.executions.save_clocks(hot, activity)


def put_back_activities(context: Context) -> None:
    """Puts all activity tasks back on offer whose clocks stand, as far as they have not closed."""
    for execution_id, scheduled_event_id in context.store.on_offer_again():
        hot = context.executions.get(execution_id)
        activity = hot.state.activities.get(scheduled_event_id) if hot is not None else None
        if hot is not None and activity is not None:
            task = Task(
                execution_id=execution_id,
                scheduled_event_id=scheduled_event_id,
                started_event_id=activity.started_event_id,
            )
            context.matching.offer_again((hot.row.domain_id, "activity", activity.task_list), task)


def hand_out(context: Context, task: Task, action: str, request: Request) -> tuple[Task, bytes]:
    """Starts the task, unless it was started before, and answers the poll; the task as it is now."""
    hot = context.executions.get(task.execution_id)
    assert hot is not None, "take() has looked at it"
    answer = _answer_decision if action == "PollForDecisionTask" else _answer_activity
    if task.started_event_id:
        _begin_clocks(context, hot, task)
    else:
        started_event_id = _start(context, hot, task, action, request.get("identity"))
        task = Task(
            execution_id=task.execution_id,
            scheduled_event_id=task.scheduled_event_id,
            started_event_id=started_event_id,
        )
    return task, answer(context, hot, task, request)


def together(answers: Sequence[bytes]) -> bytes:
    """The answer with all these tasks to a poll that takes several; that of the one if it is only one."""
    return answers[0] if len(answers) == 1 else b'{"tasks":[%b]}' % b",".join(answers)


def _start(context: Context, hot: Hot, task: Task, action: str, identity: str | None) -> int:
    started_event_id = hot.state.next_event_id
    if action == "PollForDecisionTask":
        context.recorder.change(hot, lambda block: requests.start_decision(block, identity=identity))
        hot.started_digest = hot.digest
    else:
        scheduled = task.scheduled_event_id
        context.recorder.change(
            hot, lambda block: requests.start_activity(block, scheduled, identity=identity)
        )
    return started_event_id


def _begin_clocks(context: Context, hot: Hot, task: Task) -> None:
    """Lets the clocks of an activity task begin anew; those of a decision task go on from its start."""
    activity = hot.state.activities.get(task.scheduled_event_id)
    if activity is None:
        return
    note_handed_out_again(activity, at=context.now)
    context.executions.save_clocks(hot, activity)
    deadline_at = created_by_hand_out(activity)
    if deadline_at is not None:
        context.recorder.arm(hot, deadline_at)


def _answer_activity(context: Context, hot: Hot, task: Task, request: Request) -> bytes:
    del request
    scheduled = _scheduled_attributes(context, hot, task.scheduled_event_id)
    answer: dict[str, Any] = {
        "activityId": scheduled["activityId"],
        "activityType": scheduled["activityType"],
        "startedEventId": task.started_event_id,
        "taskToken": context.tokens.task_token(
            "activity", hot.id, hot.row.run_id, task.scheduled_event_id, task.started_event_id
        ),
        "workflowExecution": hot.state.execution,
    }
    if "input" in scheduled:
        answer["input"] = scheduled["input"]
    return _encode(answer)


def _scheduled_attributes(context: Context, hot: Hot, event_id: int) -> dict[str, Any]:
    bodies = hot.recall(event_id, event_id) or list(context.store.events(hot.id, event_id, event_id))
    attributes: dict[str, Any] = _decode(bodies[0])["activityTaskScheduledEventAttributes"]
    return attributes


def _answer_decision(context: Context, hot: Hot, task: Task, request: Request) -> bytes:
    previous, digest = hot.state.previous_started_event_id, hot.started_digest
    first = previous if previous and request.get("startAtPreviousStartedEvent") else 1
    bounds = (first, task.started_event_id)
    return _decision_page(
        context, hot, task, request=request, digest=digest, previous=previous, bounds=bounds
    )


def _decision_page(
    context: Context,
    hot: Hot,
    task: Task,
    *,
    request: Request,
    digest: int,
    previous: int,
    bounds: tuple[int, int],
) -> bytes:
    first, last = bounds
    backwards = bool(request.get("reverseOrder"))
    most = request.get("maximumPageSize") or PAGE_EVENTS
    events = event_page(context, run_of(hot), first=first, last=last, most=most, backwards=backwards)
    scheduled, started, run_id = task.scheduled_event_id, task.started_event_id, hot.row.run_id
    answer: dict[str, Any] = {
        "previousStartedEventId": previous,
        "startedEventId": started,
        "taskToken": context.tokens.task_token("decision", hot.id, run_id, scheduled, started, digest),
        "workflowExecution": hot.state.execution,
        "workflowType": hot.state.workflow_type,
    }
    if events.count < last - first + 1:
        rest = (first, last - events.count) if backwards else (first + events.count, last)
        position = [hot.id, run_id, scheduled, started, digest, previous, *rest]
        answer["nextPageToken"] = context.tokens.page_token(
            _query(request), json.dumps(position, separators=(",", ":")), context.now
        )
    return _encode(answer)[:-1] + f',"events":[{events.text}]}}'.encode()


def next_decision_page(context: Context, request: Request) -> bytes:
    """A further page of a decision task that was handed out before.

    Raises:
        ValidationException: the token is not of this poll, or too old.
        UnknownResourceFault: the execution is pruned.
    """
    text = context.tokens.read_page_token(request["nextPageToken"], _query(request), context.now)
    position = json.loads(text)
    if not isinstance(position, list) or len(position) != 8:
        raise ValidationException("Invalid token")
    execution_id, run_id, scheduled, started, digest, previous, first, last = position
    hot = context.executions.get(execution_id)
    if hot is None or hot.row.run_id != run_id:
        raise unknown_execution("", run_id)
    task = Task(execution_id=execution_id, scheduled_event_id=scheduled, started_event_id=started)
    return _decision_page(
        context, hot, task, request=request, digest=digest, previous=previous, bounds=(first, last)
    )


def _query(request: Request) -> str:
    bound = {name: request.get(name) for name in ("domain", "taskList", "reverseOrder")}
    return "PollForDecisionTask" + json.dumps(bound, sort_keys=True, separators=(",", ":"))
