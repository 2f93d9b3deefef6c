// The scenario of lifecycle.py for the JavaScript SDK: `node lifecycle.mjs ENDPOINT DOMAIN` prints what it
// saw as JSON, in the shape of EXPECTED there. Needs the package @aws-sdk/client-swf.
import * as sdk from "@aws-sdk/client-swf";

const [endpoint, domain] = process.argv.slice(2);
const client = new sdk.SWFClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "foreign", secretAccessKey: "foreign" },
  maxAttempts: 1,
});
const call = (operation, request) => client.send(new sdk[`${operation}Command`](request));

const decisions = { name: "foreign-decisions" };
const childDecisions = { name: "foreign-child-decisions" };
const targetDecisions = { name: "foreign-target-decisions" };
const work = { name: "foreign-work" };

const decision = (kind, attributes) => ({
  decisionType: kind,
  [`${kind[0].toLowerCase()}${kind.slice(1)}DecisionAttributes`]: attributes,
});
const complete = (result) => decision("CompleteWorkflowExecution", { result });

async function register() {
  await call("RegisterDomain", { name: domain, workflowExecutionRetentionPeriodInDays: "7" });
  for (const name of ["Parent", "Child"]) {
    await call("RegisterWorkflowType", {
      domain,
      name,
      version: "1",
      defaultTaskList: name === "Parent" ? decisions : childDecisions,
      defaultExecutionStartToCloseTimeout: "600",
      defaultTaskStartToCloseTimeout: "30",
      defaultChildPolicy: "TERMINATE",
    });
  }
  await call("RegisterActivityType", {
    domain,
    name: "Work",
    version: "1",
    defaultTaskList: work,
    defaultTaskScheduleToStartTimeout: "60",
    defaultTaskScheduleToCloseTimeout: "120",
    defaultTaskStartToCloseTimeout: "60",
    defaultTaskHeartbeatTimeout: "NONE",
  });
}

async function start(workflowId, taskList) {
  const { runId } = await call("StartWorkflowExecution", {
    domain,
    workflowId,
    workflowType: { name: "Parent", version: "1" },
    taskList,
    input: "übermäßig ☃",
    tagList: ["foreign"],
  });
  return { workflowId, runId };
}

async function poll(taskList) {
  const request = { domain, taskList, identity: "foreign", maximumPageSize: 5 };
  const task = await call("PollForDecisionTask", request);
  if (!task.taskToken) throw new Error(`no decision task on ${taskList.name}`);
  for (let page = task; page.nextPageToken; ) {
    page = await call("PollForDecisionTask", { ...request, nextPageToken: page.nextPageToken });
    task.events.push(...page.events);
  }
  return task;
}

const respond = (task, list) =>
  call("RespondDecisionTaskCompleted", { taskToken: task.taskToken, decisions: list });

async function decideOnceSeen(taskList, wanted, list) {
  for (let tries = 0; tries < 10; tries++) {
    const task = await poll(taskList);
    const seen = new Set(task.events.map((event) => event.eventType));
    const ready = wanted.every((kind) => seen.has(kind));
    await respond(task, ready ? list : []);
    if (ready) return task;
  }
  throw new Error(`never saw all of ${wanted}`);
}

async function history(execution, maximumPageSize = 1000, reverseOrder = false) {
  const events = [];
  let nextPageToken;
  do {
    const page = await call("GetWorkflowExecutionHistory", {
      domain,
      execution,
      maximumPageSize,
      reverseOrder,
      nextPageToken,
    });
    events.push(...page.events);
    nextPageToken = page.nextPageToken;
  } while (nextPageToken);
  return events;
}

async function status(execution) {
  const answer = await call("DescribeWorkflowExecution", { domain, execution });
  return answer.executionInfo.closeStatus;
}

async function faults() {
  const twice = { domain, workflowId: "twice", workflowType: { name: "Parent", version: "1" } };
  await call("StartWorkflowExecution", twice);
  const attempts = {
    "duplicate start": ["StartWorkflowExecution", twice],
    "duplicate type": ["RegisterWorkflowType", { domain, name: "Parent", version: "1" }],
    "unknown domain": ["DescribeDomain", { name: "nowhere" }],
    "unknown type": ["DescribeActivityType", { domain, activityType: { name: "Work", version: "9" } }],
    "bad value": ["RegisterDomain", { name: "longer", workflowExecutionRetentionPeriodInDays: "123456789" }],
    "closed execution": ["SignalWorkflowExecution", { domain, workflowId: "parent", signalName: "late" }],
  };
  const found = {};
  for (const [what, [operation, request]] of Object.entries(attempts)) {
    found[what] = await call(operation, request).then(
      () => "none",
      (fault) => fault.name,
    );
  }
  return found;
}

await register();
const parent = await start("parent", decisions);
const target = await start("target", targetDecisions);
const doomed = await start("doomed", { name: "nobody" });

await respond(await poll(decisions), [
  decision("RecordMarker", { markerName: "began", details: "" }),
  decision("StartTimer", { timerId: "soon", startToFireTimeout: "0" }),
  decision("StartTimer", { timerId: "never", startToFireTimeout: "500" }),
  decision("CancelTimer", { timerId: "never" }),
  decision("ScheduleActivityTask", {
    activityId: "a",
    activityType: { name: "Work", version: "1" },
    input: "7",
  }),
  decision("StartChildWorkflowExecution", {
    workflowId: "child",
    workflowType: { name: "Child", version: "1" },
    input: "x",
  }),
]);

const task = await call("PollForActivityTask", { domain, taskList: work, identity: "foreign" });
const beat = await call("RecordActivityTaskHeartbeat", { taskToken: task.taskToken, details: "half" });
await call("RespondActivityTaskCompleted", { taskToken: task.taskToken, result: "49" });
await respond(await poll(childDecisions), [complete("child done")]);
await call("SignalWorkflowExecution", { domain, workflowId: "parent", signalName: "go", input: "1" });

await decideOnceSeen(
  decisions,
  ["ActivityTaskCompleted", "ChildWorkflowExecutionCompleted", "TimerFired", "WorkflowExecutionSignaled"],
  [
    decision("SignalExternalWorkflowExecution", {
      workflowId: "target",
      signalName: "hello",
      input: "from parent",
    }),
    decision("RequestCancelExternalWorkflowExecution", { workflowId: "target" }),
  ],
);
const told = await poll(targetDecisions);
await respond(told, [decision("CancelWorkflowExecution", { details: "as asked" })]);
const signal = told.events.find((event) => event.eventType === "WorkflowExecutionSignaled");
await call("TerminateWorkflowExecution", {
  domain,
  workflowId: "doomed",
  reason: "enough",
  childPolicy: "TERMINATE",
});
await decideOnceSeen(
  decisions,
  ["ExternalWorkflowExecutionSignaled", "ExternalWorkflowExecutionCancelRequested"],
  [complete("done")],
);

const whole = await history(parent);
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const closing = (await history(doomed)).at(-1);
console.log(
  JSON.stringify({
    parent: {
      status: await status(parent),
      seen: [...new Set(whole.map((event) => event.eventType))].sort(),
      result: whole.at(-1).workflowExecutionCompletedEventAttributes.result,
    },
    target: {
      status: await status(target),
      signal: signal.workflowExecutionSignaledEventAttributes.input,
    },
    terminated: {
      status: await status(doomed),
      reason: closing.workflowExecutionTerminatedEventAttributes.reason,
    },
    pages_equal_whole: same(await history(parent, 3), whole),
    reversed_equals_whole: same((await history(parent, 4, true)).reverse(), whole),
    faults: await faults(),
    closed_count: (
      await call("CountClosedWorkflowExecutions", { domain, startTimeFilter: { oldestDate: new Date(0) } })
    ).count,
    heartbeat: beat.cancelRequested,
  }),
);
