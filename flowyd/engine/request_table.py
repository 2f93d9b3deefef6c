"""The table of requests: operation → members → shape. Nothing else says what a request may hold.

A name that ends with `*` is required. Members stand in the order of the published service model, in which
violations are listed. A test compares the table with that model; where the table says more or something
else, `tests/unit/engine_edge/test_engine_edge_model.py` names the difference and its reason.
"""

from __future__ import annotations

import re

from flowyd.engine.request_shapes import (
    Choice,
    Flag,
    ListOf,
    Moment,
    NumberText,
    Shape,
    Structure,
    Text,
    Whole,
)
from flowyd.swf import actions, limits
from flowyd.swf.durations import LONGEST_S

#: Names, versions and task lists (SWF API Reference): no `:`, `/`, `|` or control characters, not `arn`, no
#: white space at either end.
_NAME_PATTERN = re.compile(r"(?!arn$)(?!\s)[^:/|\x00-\x1f\x7f-\x9f]*(?<!\s)")
#: Ids that authors make: the same, but `:` and `/` are accepted, as recordings of the service show.
_ID_PATTERN = re.compile(r"(?!arn$)(?!\s)[^|\x00-\x1f\x7f-\x9f]*(?<!\s)")
_DURATION_PATTERN = re.compile("[0-9]+")
_DURATION_OR_NONE_PATTERN = re.compile("[0-9]+|NONE")
#: A Java int, as its parser reads one; the number of digits is bounded to keep reading it cheap.
_PRIORITY_PATTERN = re.compile("[+-]?[0-9]{1,32}")

_DURATION_CHARACTERS = 8

NAME = Text(shortest=1, longest=limits.NAME_CHARACTERS, pattern=_NAME_PATTERN)
VERSION = Text(shortest=1, longest=limits.VERSION_CHARACTERS, pattern=_NAME_PATTERN)
VERSION_FILTER = Text(longest=limits.VERSION_CHARACTERS, pattern=_NAME_PATTERN, blank_is_absent=True)
OWN_ID = Text(shortest=1, longest=limits.NAME_CHARACTERS, pattern=_ID_PATTERN)
MARKER_NAME = Text(shortest=1, longest=limits.NAME_CHARACTERS)
RUN_ID = Text(shortest=1, longest=64)
RUN_ID_OPTIONAL = Text(longest=64, blank_is_absent=True)
DATA = Text(longest=limits.DATA_CHARACTERS)
LIMITED_DATA = Text(longest=limits.LIMITED_DATA_CHARACTERS)
REASON = Text(longest=limits.REASON_CHARACTERS)
IDENTITY = Text(longest=limits.IDENTITY_CHARACTERS)
DESCRIPTION = Text(longest=1024)
ARN = Text(shortest=1, longest=1600)
TASK_TOKEN = Text(shortest=1, longest=1024)
PAGE_TOKEN = Text(longest=2048, blank_is_absent=True)
EXECUTION_TAG = Text(longest=256)
RESOURCE_TAG_KEY = Text(shortest=1, longest=128)
RESOURCE_TAG_VALUE = Text(longest=256)
PRIORITY = NumberText(text=Text(pattern=_PRIORITY_PATTERN), lowest=-(2**31), highest=2**31 - 1)

#: A task's timeout: seconds up to a year, or NONE.
TIMEOUT = NumberText(
    text=Text(longest=_DURATION_CHARACTERS, pattern=_DURATION_OR_NONE_PATTERN, blank_is_absent=True),
    lowest=0,
    highest=LONGEST_S,
)
#: An execution's timeout: never NONE, a year is the cap.
EXECUTION_TIMEOUT = NumberText(
    text=Text(longest=_DURATION_CHARACTERS, pattern=_DURATION_PATTERN, blank_is_absent=True),
    lowest=0,
    highest=LONGEST_S,
)
TIMER_DURATION = NumberText(
    text=Text(shortest=1, longest=_DURATION_CHARACTERS, pattern=_DURATION_PATTERN),
    lowest=0,
    highest=LONGEST_S,
)
LAMBDA_TIMEOUT = NumberText(
    text=Text(longest=_DURATION_CHARACTERS, pattern=_DURATION_PATTERN, blank_is_absent=True),
    lowest=1,
    highest=900,
)
RETENTION = NumberText(
    text=Text(shortest=1, longest=_DURATION_CHARACTERS, pattern=_DURATION_OR_NONE_PATTERN),
    lowest=0,
    highest=limits.RETENTION_DAYS,
)

PAGE_SIZE = Whole(lowest=0, highest=limits.PAGE_EVENTS)
FLAG = Flag()
MOMENT = Moment()

CHILD_POLICY = Choice(("TERMINATE", "REQUEST_CANCEL", "ABANDON"))
REGISTRATION_STATUS = Choice(("REGISTERED", "DEPRECATED"))
CLOSE_STATUS = Choice(("COMPLETED", "FAILED", "CANCELED", "TERMINATED", "CONTINUED_AS_NEW", "TIMED_OUT"))
#: In the order in which the service lists them (reported twice), which is not the model's.
DECISION_TYPE = Choice(
    (
        "CompleteWorkflowExecution",
        "StartTimer",
        "RequestCancelExternalWorkflowExecution",
        "SignalExternalWorkflowExecution",
        "CancelTimer",
        "RecordMarker",
        "ScheduleActivityTask",
        "ContinueAsNewWorkflowExecution",
        "ScheduleLambdaFunction",
        "FailWorkflowExecution",
        "RequestCancelActivityTask",
        "StartChildWorkflowExecution",
        "CancelWorkflowExecution",
    )
)

TASK_LIST = Structure({"name*": NAME})
TYPE = Structure({"name*": NAME, "version*": VERSION})
EXECUTION = Structure({"workflowId*": OWN_ID, "runId*": RUN_ID})
TAG_LIST = ListOf(item=EXECUTION_TAG, longest=limits.TAGS_PER_EXECUTION, null_items=True)
RESOURCE_TAGS = ListOf(item=Structure({"key*": RESOURCE_TAG_KEY, "value": RESOURCE_TAG_VALUE}))
TIME_FILTER = Structure({"oldestDate*": MOMENT, "latestDate": MOMENT})
EXECUTION_FILTER = Structure({"workflowId*": OWN_ID})
TYPE_FILTER = Structure({"name*": NAME, "version": VERSION_FILTER})
TAG_FILTER = Structure({"tag*": EXECUTION_TAG})
CLOSE_STATUS_FILTER = Structure({"status*": CLOSE_STATUS})

#: The attributes of each decision type.
DECISION_ATTRIBUTES = {
    "ScheduleActivityTask": Structure(
        {
            "activityType*": TYPE,
            "activityId*": OWN_ID,
            "control": DATA,
            "input": DATA,
            "scheduleToCloseTimeout": TIMEOUT,
            "taskList": TASK_LIST,
            "taskPriority": PRIORITY,
            "scheduleToStartTimeout": TIMEOUT,
            "startToCloseTimeout": TIMEOUT,
            "heartbeatTimeout": TIMEOUT,
        }
    ),
    "RequestCancelActivityTask": Structure({"activityId*": OWN_ID}),
    "CompleteWorkflowExecution": Structure({"result": DATA}),
    "FailWorkflowExecution": Structure({"reason": REASON, "details": DATA}),
    "CancelWorkflowExecution": Structure({"details": DATA}),
    "ContinueAsNewWorkflowExecution": Structure(
        {
            "input": DATA,
            "executionStartToCloseTimeout": EXECUTION_TIMEOUT,
            "taskList": TASK_LIST,
            "taskPriority": PRIORITY,
            "taskStartToCloseTimeout": TIMEOUT,
            "childPolicy": CHILD_POLICY,
            "tagList": TAG_LIST,
            "workflowTypeVersion": VERSION,
            "lambdaRole": ARN,
        }
    ),
    "RecordMarker": Structure({"markerName*": MARKER_NAME, "details": DATA}),
    "StartTimer": Structure({"timerId*": OWN_ID, "control": DATA, "startToFireTimeout*": TIMER_DURATION}),
    "CancelTimer": Structure({"timerId*": OWN_ID}),
    "SignalExternalWorkflowExecution": Structure(
        {
            "workflowId*": OWN_ID,
            "runId": RUN_ID_OPTIONAL,
            "signalName*": OWN_ID,
            "input": DATA,
            "control": DATA,
        }
    ),
    "RequestCancelExternalWorkflowExecution": Structure(
        {"workflowId*": OWN_ID, "runId": RUN_ID_OPTIONAL, "control": DATA}
    ),
    "StartChildWorkflowExecution": Structure(
        {
            "workflowType*": TYPE,
            "workflowId*": OWN_ID,
            "control": DATA,
            "input": DATA,
            "executionStartToCloseTimeout": EXECUTION_TIMEOUT,
            "taskList": TASK_LIST,
            "taskPriority": PRIORITY,
            "taskStartToCloseTimeout": TIMEOUT,
            "childPolicy": CHILD_POLICY,
            "tagList": TAG_LIST,
            "lambdaRole": ARN,
        }
    ),
    "ScheduleLambdaFunction": Structure(
        {
            "id*": Text(shortest=1, longest=256),
            "name*": Text(shortest=1, longest=64),
            "control": DATA,
            "input": DATA,
            "startToCloseTimeout": LAMBDA_TIMEOUT,
        }
    ),
}


def attributes_member(decision_type: str) -> str:
    """The member of a decision that holds the attributes of that type."""
    return f"{decision_type[0].lower()}{decision_type[1:]}DecisionAttributes"


DECISION = Structure(
    {"decisionType*": DECISION_TYPE}
    | {attributes_member(name): attributes for name, attributes in DECISION_ATTRIBUTES.items()}
)

#: Not in the model: see `rules.decide_after`.
DECIDE_AFTER = Structure(
    {
        "together": ListOf(item=ListOf(item=OWN_ID)),
        "queued": Whole(lowest=0, highest=limits.OPEN_TASKS_PER_EXECUTION),
        "identity": IDENTITY,
    }
)

_PAGE: dict[str, Shape] = {"nextPageToken": PAGE_TOKEN, "maximumPageSize": PAGE_SIZE, "reverseOrder": FLAG}
_ONE_WORKFLOW_TYPE = Structure({"domain*": NAME, "workflowType*": TYPE})
_ONE_ACTIVITY_TYPE = Structure({"domain*": NAME, "activityType*": TYPE})
_ONE_DOMAIN = Structure({"name*": NAME})
_ONE_TASK_LIST = Structure({"domain*": NAME, "taskList*": TASK_LIST})
_TYPES = Structure({"domain*": NAME, "name": NAME, "registrationStatus*": REGISTRATION_STATUS, **_PAGE})
_OPEN_FILTERS: dict[str, Shape] = {
    "domain*": NAME,
    "startTimeFilter*": TIME_FILTER,
    "typeFilter": TYPE_FILTER,
    "tagFilter": TAG_FILTER,
    "executionFilter": EXECUTION_FILTER,
}
_CLOSED_FILTERS: dict[str, Shape] = {
    "domain*": NAME,
    "startTimeFilter": TIME_FILTER,
    "closeTimeFilter": TIME_FILTER,
    "executionFilter": EXECUTION_FILTER,
    "closeStatusFilter": CLOSE_STATUS_FILTER,
    "typeFilter": TYPE_FILTER,
    "tagFilter": TAG_FILTER,
}

#: Every operation and what its request may hold.
OPERATIONS: dict[str, Structure] = {
    "CountClosedWorkflowExecutions": Structure(_CLOSED_FILTERS),
    "CountOpenWorkflowExecutions": Structure(_OPEN_FILTERS),
    "CountPendingActivityTasks": _ONE_TASK_LIST,
    "CountPendingDecisionTasks": _ONE_TASK_LIST,
    "DeleteActivityType": _ONE_ACTIVITY_TYPE,
    "DeleteWorkflowType": _ONE_WORKFLOW_TYPE,
    "DeprecateActivityType": _ONE_ACTIVITY_TYPE,
    "DeprecateDomain": _ONE_DOMAIN,
    "DeprecateWorkflowType": _ONE_WORKFLOW_TYPE,
    "DescribeActivityType": _ONE_ACTIVITY_TYPE,
    "DescribeDomain": _ONE_DOMAIN,
    "DescribeWorkflowExecution": Structure({"domain*": NAME, "execution*": EXECUTION}),
    "DescribeWorkflowType": _ONE_WORKFLOW_TYPE,
    "GetWorkflowExecutionHistory": Structure({"domain*": NAME, "execution*": EXECUTION, **_PAGE}),
    "ListActivityTypes": _TYPES,
    "ListClosedWorkflowExecutions": Structure({**_CLOSED_FILTERS, **_PAGE}),
    "ListDomains": Structure({"registrationStatus*": REGISTRATION_STATUS, **_PAGE}),
    "ListOpenWorkflowExecutions": Structure({**_OPEN_FILTERS, **_PAGE}),
    "ListTagsForResource": Structure({"resourceArn*": ARN}),
    "ListWorkflowTypes": _TYPES,
    "PollForActivityTask": Structure({"domain*": NAME, "taskList*": TASK_LIST, "identity": IDENTITY}),
    "PollForDecisionTask": Structure(
        {
            "domain*": NAME,
            "taskList*": TASK_LIST,
            "identity": IDENTITY,
            **_PAGE,
            "startAtPreviousStartedEvent": FLAG,
        }
    ),
    "RecordActivityTaskHeartbeat": Structure({"taskToken*": TASK_TOKEN, "details": LIMITED_DATA}),
    "RegisterActivityType": Structure(
        {
            "domain*": NAME,
            "name*": NAME,
            "version*": VERSION,
            "description": DESCRIPTION,
            "defaultTaskStartToCloseTimeout": TIMEOUT,
            "defaultTaskHeartbeatTimeout": TIMEOUT,
            "defaultTaskList": TASK_LIST,
            "defaultTaskPriority": PRIORITY,
            "defaultTaskScheduleToStartTimeout": TIMEOUT,
            "defaultTaskScheduleToCloseTimeout": TIMEOUT,
        }
    ),
    "RegisterDomain": Structure(
        {
            "name*": NAME,
            "description": DESCRIPTION,
            "workflowExecutionRetentionPeriodInDays*": RETENTION,
            "tags": RESOURCE_TAGS,
        }
    ),
    "RegisterWorkflowType": Structure(
        {
            "domain*": NAME,
            "name*": NAME,
            "version*": VERSION,
            "description": DESCRIPTION,
            "defaultTaskStartToCloseTimeout": TIMEOUT,
            "defaultExecutionStartToCloseTimeout": EXECUTION_TIMEOUT,
            "defaultTaskList": TASK_LIST,
            "defaultTaskPriority": PRIORITY,
            "defaultChildPolicy": CHILD_POLICY,
            "defaultLambdaRole": ARN,
        }
    ),
    "RequestCancelWorkflowExecution": Structure(
        {"domain*": NAME, "workflowId*": OWN_ID, "runId": RUN_ID_OPTIONAL}
    ),
    "RespondActivityTaskCanceled": Structure({"taskToken*": TASK_TOKEN, "details": DATA}),
    "RespondActivityTaskCompleted": Structure({"taskToken*": TASK_TOKEN, "result": DATA}),
    "RespondActivityTaskFailed": Structure({"taskToken*": TASK_TOKEN, "reason": REASON, "details": DATA}),
    "RespondDecisionTaskCompleted": Structure(
        {
            "taskToken*": TASK_TOKEN,
            "decisions": ListOf(item=DECISION),
            "executionContext": DATA,
            "taskList": TASK_LIST,
            "taskListScheduleToStartTimeout": TIMEOUT,
            actions.DECIDE_AFTER: DECIDE_AFTER,
        }
    ),
    "SignalWorkflowExecution": Structure(
        {
            "domain*": NAME,
            "workflowId*": OWN_ID,
            "runId": RUN_ID_OPTIONAL,
            "signalName*": OWN_ID,
            "input": DATA,
        }
    ),
    "StartWorkflowExecution": Structure(
        {
            "domain*": NAME,
            "workflowId*": OWN_ID,
            "workflowType*": TYPE,
            "taskList": TASK_LIST,
            "taskPriority": PRIORITY,
            "input": DATA,
            "executionStartToCloseTimeout": EXECUTION_TIMEOUT,
            "tagList": TAG_LIST,
            "taskStartToCloseTimeout": TIMEOUT,
            "childPolicy": CHILD_POLICY,
            "lambdaRole": ARN,
        }
    ),
    "TagResource": Structure({"resourceArn*": ARN, "tags*": RESOURCE_TAGS}),
    "TerminateWorkflowExecution": Structure(
        {
            "domain*": NAME,
            "workflowId*": OWN_ID,
            "runId": RUN_ID_OPTIONAL,
            "reason": REASON,
            "details": DATA,
            "childPolicy": CHILD_POLICY,
        }
    ),
    "UndeprecateActivityType": _ONE_ACTIVITY_TYPE,
    "UndeprecateDomain": _ONE_DOMAIN,
    "UndeprecateWorkflowType": _ONE_WORKFLOW_TYPE,
    "UntagResource": Structure({"resourceArn*": ARN, "tagKeys*": ListOf(item=RESOURCE_TAG_KEY)}),
}
