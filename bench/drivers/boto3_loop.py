"""A home-made SWF loop over boto3: decider, activity worker and caller in one process.

It keeps count of what must be open, so it polls only where a task is waiting. With a second argument,
`decision` or `activity`, it is one of the separate pollers that only wait (S5).
"""

import json
import sys
import time

import boto3
from botocore.config import Config
from conversation import latencies_ms, payload_of, serve, timed

DOMAIN = "bench"
DECISIONS = {"name": "decisions"}
ACTIVITIES = {"name": "activities"}
NOTHING = {"name": "nothing", "version": "1"}
CLOSING = ("WorkflowExecutionCompleted", "WorkflowExecutionFailed")


class Loop:
    def __init__(self, endpoint):
        config = Config(read_timeout=75, retries={"max_attempts": 0}, connect_timeout=5)
        self.swf = boto3.client("swf", endpoint_url=endpoint, config=config)
        self.number = 0
        self.patiently_register()

    def patiently_register(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                self.swf.list_domains(registrationStatus="REGISTERED")
                break
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        try:
            self.swf.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
        except self.swf.exceptions.DomainAlreadyExistsFault:
            return
        self.swf.register_activity_type(
            domain=DOMAIN,
            **NOTHING,
            defaultTaskList=ACTIVITIES,
            defaultTaskStartToCloseTimeout="300",
            defaultTaskScheduleToStartTimeout="300",
            defaultTaskScheduleToCloseTimeout="600",
            defaultTaskHeartbeatTimeout="NONE",
        )
        for kind in ("chain", "fan", "three"):
            self.swf.register_workflow_type(
                domain=DOMAIN,
                name=kind,
                version="1",
                defaultTaskList=DECISIONS,
                defaultTaskStartToCloseTimeout="60",
                defaultExecutionStartToCloseTimeout="3600",
                defaultChildPolicy="TERMINATE",
            )

    def start(self, kind, n, payload):
        self.number += 1
        workflow_id = f"{time.time_ns()}-{self.number}"
        self.swf.start_workflow_execution(
            domain=DOMAIN,
            workflowId=workflow_id,
            workflowType={"name": kind, "version": "1"},
            input=json.dumps([n, payload]),
        )

    def decide(self):
        """One decision task: (activities asked for, 1 if it closed the execution)."""
        request = {"domain": DOMAIN, "taskList": DECISIONS, "maximumPageSize": 1000}
        task = self.swf.poll_for_decision_task(**request)
        events = task["events"]
        token = task.get("nextPageToken")
        while token:
            page = self.swf.poll_for_decision_task(**request, nextPageToken=token)
            events += page["events"]
            token = page.get("nextPageToken")
        n, payload = json.loads(events[0]["workflowExecutionStartedEventAttributes"]["input"])
        kinds = [event["eventType"] for event in events]
        asked, done = kinds.count("ActivityTaskScheduled"), kinds.count("ActivityTaskCompleted")
        kind = task["workflowType"]["name"]
        more = wanted(kind, n, asked, done)
        decisions = [
            {
                "decisionType": "ScheduleActivityTask",
                "scheduleActivityTaskDecisionAttributes": {
                    "activityType": NOTHING,
                    "activityId": str(asked + i),
                    "input": json.dumps(payload),
                },
            }
            for i in range(more)
        ]
        closes = asked == done and not more
        if closes:
            decisions = [
                {
                    "decisionType": "CompleteWorkflowExecution",
                    "completeWorkflowExecutionDecisionAttributes": {"result": str(n)},
                }
            ]
        self.swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)
        return more, int(closes)

    def work(self):
        """One activity task."""
        task = self.swf.poll_for_activity_task(domain=DOMAIN, taskList=ACTIVITIES)
        self.swf.respond_activity_task_completed(taskToken=task["taskToken"], result=task["input"])

    def run(self, kind, n, payload, count=1):
        """So many executions, driven to their ends."""
        for _ in range(count):
            self.start(kind, n, payload)
        closed = 0
        decisions, activities = count, 0
        while closed < count:
            for _ in range(decisions):
                more, closes = self.decide()
                activities += more
                closed += closes
            decisions = 0
            for _ in range(activities):
                self.work()
            # Completions of one execution before its next decision share one decision task.
            decisions = count - closed if activities else 0
            activities = 0


def wanted(kind, n, asked, done):
    """How many more activities a decision asks for."""
    if asked == n or asked != done:
        return 0
    return {"chain": 1, "fan": n, "three": 2 if asked == 0 else 1}[kind]


def idle(loop, kind):
    while True:
        if kind == "decision":
            loop.swf.poll_for_decision_task(domain=DOMAIN, taskList=DECISIONS)
        else:
            loop.swf.poll_for_activity_task(domain=DOMAIN, taskList=ACTIVITIES)


if __name__ == "__main__":
    caller = Loop(sys.argv[1])
    if len(sys.argv) > 2:
        idle(caller, sys.argv[2])
    serve(
        {
            "one": lambda repeats, payload: {
                "latencies_ms": latencies_ms(lambda: caller.run("chain", 1, payload_of(payload)), repeats)
            },
            "chain": lambda n, payload: {"s": timed(caller.run, "chain", n, payload_of(payload))},
            "fan": lambda n, payload: {"s": timed(caller.run, "fan", n, payload_of(payload))},
            "many": lambda n, payload: {"s": timed(caller.run, "three", 3, payload_of(payload), n)},
        }
    )
