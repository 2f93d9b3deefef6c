"""The 39 operations of Amazon SWF and what sets them apart (SWF API Reference, version 2012-01-25)."""

from __future__ import annotations

#: The prefix of the X-Amz-Target header; boto 2 sent the longer one until 2023.
TARGET_PREFIX = "SimpleWorkflowService."
LEGACY_TARGET_PREFIX = "com.amazonaws.swf.service.model.SimpleWorkflowService."

#: Operations that wait up to 60 s for a task.
POLLS = frozenset({"PollForActivityTask", "PollForDecisionTask"})

#: Operations that change nothing.
READS = frozenset(
    {
        "CountClosedWorkflowExecutions",
        "CountOpenWorkflowExecutions",
        "CountPendingActivityTasks",
        "CountPendingDecisionTasks",
        "DescribeActivityType",
        "DescribeDomain",
        "DescribeWorkflowExecution",
        "DescribeWorkflowType",
        "GetWorkflowExecutionHistory",
        "ListActivityTypes",
        "ListClosedWorkflowExecutions",
        "ListDomains",
        "ListOpenWorkflowExecutions",
        "ListTagsForResource",
        "ListWorkflowTypes",
    }
)

#: Operations that change something and answer with an empty body.
VOIDS = frozenset(
    {
        "DeleteActivityType",
        "DeleteWorkflowType",
        "DeprecateActivityType",
        "DeprecateDomain",
        "DeprecateWorkflowType",
        "RegisterActivityType",
        "RegisterDomain",
        "RegisterWorkflowType",
        "RequestCancelWorkflowExecution",
        "RespondActivityTaskCanceled",
        "RespondActivityTaskCompleted",
        "RespondActivityTaskFailed",
        "RespondDecisionTaskCompleted",
        "SignalWorkflowExecution",
        "TagResource",
        "TerminateWorkflowExecution",
        "UndeprecateActivityType",
        "UndeprecateDomain",
        "UndeprecateWorkflowType",
        "UntagResource",
    }
)

#: A member of RespondDecisionTaskCompleted that SWF has not: which completions of activities need the next
#: decision, `{"together": [[activityId, …], …], "queued": number}`. Needed are those by which all of a group
#: have completed, and those after which fewer activities than that number have not been started. Its member
#: `identity`: all that is so only as long as whoever polls under this name does.
DECIDE_AFTER = "flowydDecideAfter"

#: A member of the answer to a poll with several activity tasks: the time on CLOCK_MONOTONIC, in seconds, from
#: which on none of them may be begun; and how long that is after they were handed out.
BEGIN_BEFORE = "beginBefore"
LEASE_S = 0.05

#: Every operation.
ACTIONS = POLLS | READS | VOIDS | {"RecordActivityTaskHeartbeat", "StartWorkflowExecution"}
