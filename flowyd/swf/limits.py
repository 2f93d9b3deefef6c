"""The quotas and lengths of Amazon SWF (Developer Guide, "Amazon SWF Quotas"; API Reference).

Lengths count characters. The engine's configuration may raise the quotas where one machine can bear more.
"""

from __future__ import annotations

#: input, result, details, control, executionContext, signal input.
DATA_CHARACTERS = 32_768
#: Details of a heartbeat.
LIMITED_DATA_CHARACTERS = 2_048
#: Reason of a failure or termination.
REASON_CHARACTERS = 256
#: Who polled.
IDENTITY_CHARACTERS = 256
#: Names of domains, types, task lists, signals, markers; workflow, activity and timer ids.
NAME_CHARACTERS = 256
#: Version of a type.
VERSION_CHARACTERS = 64

REQUEST_BYTES = 1_048_576
PAGE_EVENTS = 1_000
TAGS_PER_EXECUTION = 5
TAGS_PER_DOMAIN = 50
DOMAINS = 100
TYPES_PER_DOMAIN = 10_000
OPEN_EXECUTIONS_PER_DOMAIN = 100_000
EVENTS_PER_EXECUTION = 25_000
#: Each of activities, timers, children and Lambda functions, per execution.
OPEN_TASKS_PER_EXECUTION = 1_000
POLLERS_PER_TASK_LIST = 1_000
RETENTION_DAYS = 90

#: How long a page token can be used, seconds (nextPageToken).
PAGE_TOKEN_S = 24 * 3_600.0
#: How long the service holds a poll before it answers without a task.
POLL_S = 60.0
#: How long a client must wait for a poll's answer: more than 70 s, as the service may take longer than 60.
POLL_READ_TIMEOUT_S = 75.0
#: What travels for a payload kept elsewhere is never longer (`flowyd.swf.references`).
REFERENCE_CHARACTERS = 160
