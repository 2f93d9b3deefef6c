-- The engine's database, version 1. `event` is the truth; what else is here can be rebuilt from it or is
-- the registry of domains and types. All times are epoch seconds (REAL, milliseconds kept).

CREATE TABLE domain (
    id             INTEGER PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    status         TEXT NOT NULL,           -- REGISTERED | DEPRECATED
    description    TEXT,
    retention_days TEXT NOT NULL,           -- as given: digits or NONE
    tags           TEXT NOT NULL DEFAULT '{}'
);

CREATE TABLE type (
    domain_id     INTEGER NOT NULL REFERENCES domain (id),
    kind          TEXT NOT NULL,            -- workflow | activity
    name          TEXT NOT NULL,
    version       TEXT NOT NULL,
    status        TEXT NOT NULL,            -- REGISTERED | DEPRECATED
    description   TEXT,
    created_at    REAL NOT NULL,
    deprecated_at REAL,
    configuration TEXT NOT NULL,            -- JSON: the defaults as registered, wire names
    PRIMARY KEY (domain_id, kind, name, version)
) WITHOUT ROWID;

CREATE TABLE execution (
    id               INTEGER PRIMARY KEY,
    domain_id        INTEGER NOT NULL REFERENCES domain (id),
    workflow_id      TEXT NOT NULL,
    run_id           TEXT NOT NULL,
    type_name        TEXT NOT NULL,
    type_version     TEXT NOT NULL,
    started_at       REAL NOT NULL,
    closed_at        REAL,                  -- NULL while open
    close_status     TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    tag_list         TEXT,                  -- JSON list, NULL if none was given
    parent           TEXT,                  -- JSON {workflowId, runId}, NULL for roots
    next_deadline_at REAL                   -- cache: earliest deadline of an open execution
);

CREATE TABLE event (
    execution_id INTEGER NOT NULL,
    event_id     INTEGER NOT NULL,
    body         TEXT NOT NULL,             -- the event as JSON, exactly as it is answered
    PRIMARY KEY (execution_id, event_id)
) WITHOUT ROWID;

-- Cache: tasks scheduled and not started, in the order in which they are handed out.
CREATE TABLE task (
    id                 INTEGER PRIMARY KEY,
    domain_id          INTEGER NOT NULL,
    kind               TEXT NOT NULL,       -- activity | decision
    task_list          TEXT NOT NULL,
    priority           INTEGER NOT NULL,
    execution_id       INTEGER NOT NULL,
    scheduled_event_id INTEGER NOT NULL
);
