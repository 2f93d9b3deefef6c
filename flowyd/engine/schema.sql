-- The engine's database, version 4. `event` is the truth; what else is here can be rebuilt from it, or is
-- the registry of domains and types, or says so. All times are epoch seconds (REAL, milliseconds kept).

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
    cancel_requested INTEGER NOT NULL DEFAULT 0,   -- 1 only while open
    tag_list         TEXT,                  -- JSON list, NULL if none was given
    parent           TEXT,                  -- JSON {workflowId, runId}, NULL for roots
    next_deadline_at REAL                   -- no deadline of an open execution is earlier; NULL once closed
);

-- At most one open run per workflow id.
CREATE UNIQUE INDEX execution_open_run ON execution (domain_id, workflow_id) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX execution_run ON execution (run_id);
CREATE INDEX execution_deadline ON execution (next_deadline_at) WHERE next_deadline_at IS NOT NULL;

-- Events in the order they were written, histories mingled: the events of a turn share a few pages, whatever
-- executions they are of, and pages are what a commit costs (a quarter of them, measured, beside histories that
-- each have pages of their own).
CREATE TABLE event (
    execution_id INTEGER NOT NULL,
    event_id     INTEGER NOT NULL,
    body         TEXT NOT NULL              -- the event as JSON, exactly as it is answered
);

CREATE UNIQUE INDEX event_of_execution ON event (execution_id, event_id);

-- Cache: tasks that may be handed out, in the order `position` within one priority.
CREATE TABLE task (
    execution_id       INTEGER NOT NULL,
    scheduled_event_id INTEGER NOT NULL,
    domain_id          INTEGER NOT NULL,
    kind               TEXT NOT NULL,       -- activity | decision
    task_list          TEXT NOT NULL,
    priority           INTEGER NOT NULL,
    position           INTEGER NOT NULL,
    PRIMARY KEY (execution_id, scheduled_event_id)
) WITHOUT ROWID;

CREATE INDEX task_waiting ON task (domain_id, kind, task_list, priority DESC, position);

-- Truth that is no event: the clocks of each started activity task that sent a heartbeat, or was offered again
-- because nobody had begun it. They are one row, written whole: a heartbeat and a hand-out both move them.
CREATE TABLE heartbeat (
    execution_id       INTEGER NOT NULL,
    scheduled_event_id INTEGER NOT NULL,
    at                 REAL NOT NULL,       -- the last heartbeat, or began_at
    details            TEXT,
    began_at           REAL,                -- the start, or the last hand-out; NULL, from version 3: the start
    on_offer_again     INTEGER NOT NULL DEFAULT 0,     -- 1: nobody has it, its clocks stand
    PRIMARY KEY (execution_id, scheduled_event_id)
) WITHOUT ROWID;

CREATE INDEX heartbeat_on_offer_again ON heartbeat (execution_id, scheduled_event_id) WHERE on_offer_again;

-- Truth that is no event: the last tasks handed out, as long as their answers may not have been read. A ring.
CREATE TABLE hand_out (
    place              INTEGER PRIMARY KEY,
    number             INTEGER NOT NULL,    -- counts on; the place is its remainder
    run_id             TEXT NOT NULL,
    poll_id            TEXT NOT NULL,       -- empty: the answer was not read, the task is on offer again
    execution_id       INTEGER NOT NULL,
    scheduled_event_id INTEGER NOT NULL,
    started_event_id   INTEGER NOT NULL,
    domain_id          INTEGER NOT NULL,
    kind               TEXT NOT NULL,       -- activity | decision
    task_list          TEXT NOT NULL
);

-- Executions past their retention whose events are being deleted in small steps.
CREATE TABLE pruning (
    execution_id INTEGER PRIMARY KEY
);

-- Single values: `secret`, which signs tokens; `redo`, the salt of what the database has not seen in the redo log.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('redo', randomblob(16));

-- Visibility: one index for each filter and order of the lists, so that a page costs the same at any size.
CREATE INDEX execution_by_open ON execution (domain_id, started_at) WHERE closed_at IS NULL;
CREATE INDEX execution_by_start ON execution (domain_id, started_at) WHERE closed_at IS NOT NULL;
CREATE INDEX execution_by_close ON execution (domain_id, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX execution_by_id_start ON execution (domain_id, workflow_id, started_at) WHERE closed_at IS NOT NULL;
CREATE INDEX execution_by_id_close ON execution (domain_id, workflow_id, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX execution_by_status_start ON execution (domain_id, close_status, started_at)
    WHERE closed_at IS NOT NULL;
CREATE INDEX execution_by_status_close ON execution (domain_id, close_status, closed_at)
    WHERE closed_at IS NOT NULL;
CREATE INDEX execution_by_name_open ON execution (domain_id, type_name, started_at) WHERE closed_at IS NULL;
CREATE INDEX execution_by_name_start ON execution (domain_id, type_name, started_at) WHERE closed_at IS NOT NULL;
CREATE INDEX execution_by_name_close ON execution (domain_id, type_name, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX execution_by_type_open ON execution (domain_id, type_name, type_version, started_at)
    WHERE closed_at IS NULL;
CREATE INDEX execution_by_type_start ON execution (domain_id, type_name, type_version, started_at)
    WHERE closed_at IS NOT NULL;
CREATE INDEX execution_by_type_close ON execution (domain_id, type_name, type_version, closed_at)
    WHERE closed_at IS NOT NULL;

-- Cache: the tags of each execution, kept by the triggers below from execution.tag_list.
CREATE TABLE execution_tag (
    execution_id INTEGER NOT NULL,
    tag          TEXT NOT NULL,
    domain_id    INTEGER NOT NULL,
    started_at   REAL NOT NULL,
    closed_at    REAL,
    PRIMARY KEY (execution_id, tag)
) WITHOUT ROWID;
CREATE INDEX execution_tag_by_open ON execution_tag (domain_id, tag, started_at, execution_id, closed_at)
    WHERE closed_at IS NULL;
CREATE INDEX execution_tag_by_start ON execution_tag (domain_id, tag, started_at, execution_id, closed_at)
    WHERE closed_at IS NOT NULL;
CREATE INDEX execution_tag_by_close ON execution_tag (domain_id, tag, closed_at, execution_id)
    WHERE closed_at IS NOT NULL;

CREATE TRIGGER execution_tagged AFTER INSERT ON execution WHEN new.tag_list IS NOT NULL BEGIN
    INSERT OR IGNORE INTO execution_tag (execution_id, tag, domain_id, started_at, closed_at)
    SELECT new.id, value, new.domain_id, new.started_at, new.closed_at FROM json_each(new.tag_list)
    WHERE value IS NOT NULL;
END;
CREATE TRIGGER execution_tag_closed AFTER UPDATE OF closed_at ON execution WHEN new.tag_list IS NOT NULL BEGIN
    UPDATE execution_tag SET closed_at = new.closed_at WHERE execution_id = new.id;
END;
CREATE TRIGGER execution_untagged AFTER DELETE ON execution WHEN old.tag_list IS NOT NULL BEGIN
    DELETE FROM execution_tag WHERE execution_id = old.id;
END;
