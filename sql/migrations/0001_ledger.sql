-- The ledger: one append-only table of events, the heads of its streams, and the raw inputs it refers to.
--
-- Every unique key holds task_id, so that the tables can be distributed by it without a change.

CREATE SCHEMA ledger;

COMMENT ON SCHEMA ledger IS
    'The truth: immutable events. Everything else can be rebuilt from here.';

CREATE SEQUENCE ledger.position AS bigint;

CREATE TABLE ledger.event (
    task_id        text        NOT NULL,
    stream_id      text        NOT NULL,
    version        bigint      NOT NULL CHECK (version > 0),
    position       bigint      NOT NULL,
    message_id     uuid        NOT NULL,
    type           text        NOT NULL,
    schema_version smallint    NOT NULL,
    worker_id      text,
    lease_epoch    integer,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    payload        jsonb       NOT NULL,
    content_hash   bytea       NOT NULL CHECK (octet_length(content_hash) = 32),
    CONSTRAINT event_pkey PRIMARY KEY (task_id, position),
    CONSTRAINT event_stream_version_key UNIQUE (task_id, stream_id, version),
    CONSTRAINT event_message_key UNIQUE (task_id, message_id)
) WITH (fillfactor = 100);

CREATE INDEX event_position_idx ON ledger.event (position);
CREATE INDEX event_recorded_at_idx ON ledger.event USING brin (recorded_at);

COMMENT ON TABLE ledger.event IS 'Immutable events; UPDATE, DELETE and TRUNCATE are refused.';
COMMENT ON COLUMN ledger.event.stream_id IS 'A subtask''s id, or the task''s own id.';
COMMENT ON COLUMN ledger.event.version IS '1, 2, 3 ... within the stream, without gaps.';
COMMENT ON COLUMN ledger.event.position IS 'The global order; gaps are transactions that were rolled back.';
COMMENT ON COLUMN ledger.event.message_id IS 'Made by the sender (UUIDv7); sending it again changes nothing.';
COMMENT ON COLUMN ledger.event.lease_epoch IS 'The fence: which hold on the subtask the sender reported under.';
COMMENT ON COLUMN ledger.event.occurred_at IS 'The sender''s clock.';
COMMENT ON COLUMN ledger.event.recorded_at IS 'The database''s clock.';
COMMENT ON COLUMN ledger.event.content_hash IS 'SHA-256 of what the sender sent (eventstore/codec.py).';

-- One row per stream. Updating it serialises the appends to that stream and allocates their versions.
CREATE TABLE ledger.stream_head (
    task_id   text   NOT NULL,
    stream_id text   NOT NULL,
    version   bigint NOT NULL,
    PRIMARY KEY (task_id, stream_id)
) WITH (fillfactor = 70);

-- Raw tool output, kept whole so that a decomposition can be derived again from exactly what went in.
CREATE TABLE ledger.artifact (
    task_id    text   NOT NULL,
    sha256     bytea  NOT NULL CHECK (octet_length(sha256) = 32),
    encoding   text   NOT NULL CHECK (encoding IN ('gzip')),
    size_bytes bigint NOT NULL,
    content    bytea  NOT NULL,
    PRIMARY KEY (task_id, sha256)
);

-- gzip output does not compress again.
ALTER TABLE ledger.artifact ALTER COLUMN content SET STORAGE EXTERNAL;

COMMENT ON COLUMN ledger.artifact.sha256 IS 'Of the raw bytes, before compression.';
COMMENT ON COLUMN ledger.artifact.size_bytes IS 'Length of the raw bytes.';

CREATE FUNCTION ledger.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'PW001', HINT = 'A correction is a new event.';
END
$$;

-- Per statement, so that a statement that touches no row is refused as well.
CREATE TRIGGER event_is_immutable
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.event
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER artifact_is_immutable
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.artifact
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
