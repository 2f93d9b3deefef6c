"""A server that answers bench/drivers/boto3_loop.py and does nothing else: what is left is boto3's own cost.

Each answer has the members and the size of `flowyd engine`'s answer to the same call (a test compares them),
so that boto3 sends, waits, reads and parses as much. Nothing is checked or written to disk, and only what the
loop does is understood: it polls where a task waits; any other poll is never answered.

Standard library only. Usage: swf_answers.py PORT
"""

import asyncio
import json
import sys
import time
from collections import deque

#: Events in one page of a history, as SWF has it.
PAGE = 1000
#: Length of a run id.
RUN_ID = 46

_HEAD = (
    "HTTP/1.1 200 OK\r\nx-amzn-RequestId: 419e1274-484e-4d99-a055-001e5dd7f9a6\r\n"
    "Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n"
    "Date: Thu, 26 Nov 2026 17:34:11 GMT\r\n\r\n"
)
_NOTHING = '"activityType":{"name":"nothing","version":"1"}'
_EVENT = '{"eventId":%d,"eventTimestamp":%.3f,"eventType":"%s","%sEventAttributes":{%s}}'
_STARTED = (
    '"childPolicy":"TERMINATE","executionStartToCloseTimeout":"3600","input":%s,'
    '"taskList":{"name":"decisions"},"taskStartToCloseTimeout":"60","workflowType":%s,"parentInitiatedEventId":0'
)
_DECISION_SCHEDULED = (
    '"scheduleToStartTimeout":"NONE","startToCloseTimeout":"60","taskList":{"name":"decisions"}'
)
_ACTIVITY_SCHEDULED = (
    '"activityId":%s,'
    + _NOTHING
    + ',"input":%s,"taskList":{"name":"activities"},"scheduleToStartTimeout":"300",'
    '"scheduleToCloseTimeout":"600","startToCloseTimeout":"300","heartbeatTimeout":"NONE",'
    '"decisionTaskCompletedEventId":%d'
)
_DECISION_TASK = (
    '{%s"previousStartedEventId":%d,"startedEventId":%d,"taskToken":"%s",'
    '"workflowExecution":%s,"workflowType":%s,"events":[%s]}'
)
_ACTIVITY_TASK = (
    '{"activityId":%s,'
    + _NOTHING
    + ',"startedEventId":%d,"taskToken":"%s","workflowExecution":%s,"input":%s}'
)


def text(value):
    """A value as JSON, as short as the engine writes it."""
    return json.dumps(value, separators=(",", ":"))


class Execution:
    """One execution: the events that its decider has not been given."""

    def __init__(self, number, request):
        self.run_id = f"{number:045}="
        self.kind = text(request["workflowType"])
        self.ids = text({"workflowId": request["workflowId"], "runId": self.run_id})
        self.count = 0
        self.news = []
        self.pages = deque()
        self.decision_scheduled = self.decision_started = 0
        self.is_deciding = False
        self.add("WorkflowExecutionStarted", _STARTED % (text(request["input"]), self.kind))

    def add(self, kind, attributes):
        """One more event; its id."""
        self.count += 1
        member = kind[0].lower() + kind[1:]
        self.news.append(_EVENT % (self.count, time.time(), kind, member, attributes))
        return self.count

    def token(self, started):
        """A task token of the engine's length."""
        return f"{self.run_id}{started:090}"


class Answers:
    """All executions, and the tasks that wait."""

    def __init__(self):
        self.executions = {}
        self.decisions = deque()
        self.activities = deque()
        self.scheduled_of = {}

        self.actions = {
            "ListDomains": self.domains,
            "StartWorkflowExecution": self.start,
            "PollForDecisionTask": self.decision_task,
            "RespondDecisionTaskCompleted": self.decided,
            "PollForActivityTask": self.activity_task,
            "RespondActivityTaskCompleted": self.done,
        }

    def answer(self, action, request):
        """The body of an answer; None: there is none, now or ever. All registering is granted."""
        do = self.actions.get(action)
        return do(request) if do else ""

    def domains(self, _request):
        return '{"domainInfos":[]}'

    def start(self, request):
        execution = Execution(len(self.executions) + 1, request)
        self.executions[execution.run_id] = execution
        self.want_decision(execution)
        return text({"runId": execution.run_id})

    def want_decision(self, execution):
        if not execution.is_deciding:
            execution.is_deciding = True
            execution.decision_scheduled = execution.add("DecisionTaskScheduled", _DECISION_SCHEDULED)
            self.decisions.append(execution)

    def decision_task(self, request):
        if token := request.get("nextPageToken"):
            execution = self.executions[token[:RUN_ID]]
            return self.page(execution, execution.decision_started, 0)
        if not self.decisions:
            return None
        execution = self.decisions.popleft()
        previous = execution.decision_started
        scheduled = f'"scheduledEventId":{execution.decision_scheduled}'
        execution.decision_started = execution.add("DecisionTaskStarted", scheduled)
        events, execution.news = execution.news, execution.news[-1:]
        execution.pages = deque(events[first : first + PAGE] for first in range(0, len(events), PAGE))
        return self.page(execution, execution.decision_started, previous)

    def page(self, execution, started, previous):
        events = execution.pages.popleft()
        token = execution.token(started)
        more = f'"nextPageToken":"{token}",' if execution.pages else ""
        events = ",".join(events)
        return _DECISION_TASK % (more, previous, started, token, execution.ids, execution.kind, events)

    def decided(self, request):
        execution = self.executions[request["taskToken"][:RUN_ID]]
        execution.is_deciding = False
        completed = execution.add(
            "DecisionTaskCompleted",
            f'"scheduledEventId":{execution.decision_scheduled},"startedEventId":{execution.decision_started}',
        )
        for decision in request["decisions"]:
            asked = decision.get("scheduleActivityTaskDecisionAttributes")
            if asked is None:
                del self.executions[execution.run_id]
                break
            activity, given = text(asked["activityId"]), text(asked["input"])
            attributes = _ACTIVITY_SCHEDULED % (activity, given, completed)
            self.activities.append(
                (execution, execution.add("ActivityTaskScheduled", attributes), activity, given)
            )
        return ""

    def activity_task(self, _request):
        if not self.activities:
            return None
        execution, scheduled, activity, given = self.activities.popleft()
        started = execution.add("ActivityTaskStarted", f'"scheduledEventId":{scheduled}')
        token = execution.token(started)
        self.scheduled_of[token] = scheduled
        return _ACTIVITY_TASK % (activity, started, token, execution.ids, given)

    def done(self, request):
        token = request["taskToken"]
        execution = self.executions[token[:RUN_ID]]
        result, scheduled = text(request["result"]), self.scheduled_of.pop(token)
        execution.add(
            "ActivityTaskCompleted",
            f'"result":{result},"scheduledEventId":{scheduled},"startedEventId":{int(token[RUN_ID:])}',
        )
        self.want_decision(execution)
        return ""


class Connection(asyncio.Protocol):
    """One connection: whole requests in, answers out."""

    def __init__(self, answers):
        self.answers = answers
        self.received = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(body) < int(fields[b"Content-Length"]):
            return
        self.received = b""
        action = fields[b"X-Amz-Target"].decode().partition(".")[2]
        answer = self.answers.answer(action, json.loads(body))
        if answer is not None:
            self.transport.write((_HEAD % len(answer) + answer).encode())


async def main(port):
    """Serves until killed."""
    answers = Answers()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(answers), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
