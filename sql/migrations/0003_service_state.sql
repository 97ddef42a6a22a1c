-- What the service needs to remember and what is no history: who may call it, who is alive, whom it tells.
--
-- Unlike the ledger, these rows change. Nothing here decides about work: losing all of it loses no event.

CREATE SCHEMA service;

COMMENT ON SCHEMA service IS 'What the service remembers that is no history: keys, workers, signs of life, webhooks.';

CREATE TABLE service.api_key (
    key_id       text        PRIMARY KEY,
    name         text        NOT NULL,
    role         text        NOT NULL CHECK (role IN ('admin', 'planner', 'worker', 'viewer')),
    secret_hash  bytea       NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz
);

COMMENT ON COLUMN service.api_key.secret_hash IS
    'SHA-256 of the secret: 256 random bits cannot be guessed, so that nothing slower is needed.';

CREATE TABLE service.worker (
    worker_id     text        PRIMARY KEY,
    name          text        NOT NULL DEFAULT '',
    -- Whose key it is: nobody else may speak for this worker. NULL: registered while no key was needed.
    key_id        text        REFERENCES service.api_key,
    registered_at timestamptz NOT NULL,
    heard_at      timestamptz
) WITH (fillfactor = 70);

COMMENT ON COLUMN service.worker.heard_at IS 'Its last sign of life, up to a second late.';

-- One row: when a service was last there.
CREATE TABLE service.pulse (
    only_row boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    alive_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- When no service was there, or none could reach the database: time that no worker's clock counts.
CREATE TABLE service.outage (
    began_at timestamptz PRIMARY KEY,
    ended_at timestamptz NOT NULL
);

CREATE TABLE service.webhook (
    webhook_id  text        PRIMARY KEY,
    url         text        NOT NULL,
    secret      text        NOT NULL,
    -- Empty: all.
    types       text[]      NOT NULL DEFAULT '{}',
    -- NULL: all.
    task_id     text,
    created_at  timestamptz NOT NULL,
    -- Its target has said that it is gone for good.
    disabled_at timestamptz,
    -- Events up to here have become deliveries.
    position    bigint      NOT NULL
) WITH (fillfactor = 70);

COMMENT ON COLUMN service.webhook.secret IS 'Signs what is sent, so it is kept as it is: readable for the service alone.';

CREATE TABLE service.webhook_delivery (
    webhook_id      text        NOT NULL REFERENCES service.webhook ON DELETE CASCADE,
    position        bigint      NOT NULL,
    task_id         text        NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0,
    -- While an attempt is under way: when another process may take it that the first has died.
    next_attempt_at timestamptz NOT NULL,
    delivered_at    timestamptz,
    -- Given up: kept so that somebody can look at it and send it again.
    dead_at         timestamptz,
    last_error      text        NOT NULL DEFAULT '',
    PRIMARY KEY (webhook_id, position)
) WITH (fillfactor = 70);

CREATE INDEX webhook_delivery_due_idx ON service.webhook_delivery (webhook_id, next_attempt_at)
    WHERE delivered_at IS NULL AND dead_at IS NULL;

-- Finds the tasks, newest first. Costs an insert of any other event next to nothing.
CREATE INDEX event_task_submitted_idx ON ledger.event (position) WHERE type = 'task_submitted';
