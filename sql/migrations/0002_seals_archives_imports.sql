-- What the ledger needs beside its events: who it is, proof that it is unchanged, what was archived, what was
-- imported. These tables are small and belong to no task; with a distributed ledger they stay in one place.

-- One row. A reader's place carries this id, so that it is not continued on another ledger.
CREATE TABLE ledger.incarnation (
    id      uuid        NOT NULL DEFAULT gen_random_uuid(),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX incarnation_is_one_row ON ledger.incarnation ((true));
INSERT INTO ledger.incarnation DEFAULT VALUES;

CREATE TABLE ledger.seal (
    number         bigint      NOT NULL PRIMARY KEY CHECK (number > 0),
    first_position bigint      NOT NULL,
    last_position  bigint      NOT NULL CHECK (last_position >= first_position),
    positions      bigint[]    NOT NULL,
    leaves         bytea       NOT NULL CHECK (octet_length(leaves) = 32 * cardinality(positions)),
    root           bytea       NOT NULL CHECK (octet_length(root) = 32),
    previous       bytea       NOT NULL CHECK (octet_length(previous) = 32),
    sealed_at      timestamptz NOT NULL,
    hash           bytea       NOT NULL CHECK (octet_length(hash) = 32)
);

-- Hashes do not compress.
ALTER TABLE ledger.seal ALTER COLUMN leaves SET STORAGE EXTERNAL;

COMMENT ON TABLE ledger.seal IS 'Merkle roots of closed ranges of positions, each chained to the one before (docs/tamper-evidence.md).';
COMMENT ON COLUMN ledger.seal.first_position IS 'One past the last position of the seal before; the range has no open ends.';
COMMENT ON COLUMN ledger.seal.positions IS 'Of the events in the range, rising.';
COMMENT ON COLUMN ledger.seal.leaves IS 'Leaf hashes of these events, 32 bytes each: they name the event that differs, and outlive its archiving.';
COMMENT ON COLUMN ledger.seal.previous IS 'Hash of the seal before; zeros for the first.';

CREATE TABLE ledger.archive (
    task_id            text        NOT NULL,
    tombstone_position bigint      NOT NULL,
    positions          bigint[]    NOT NULL,
    file_name          text        NOT NULL,
    file_sha256        bytea       NOT NULL CHECK (octet_length(file_sha256) = 32),
    archived_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (task_id, tombstone_position)
);

COMMENT ON TABLE ledger.archive IS 'Which events were moved into a file; the tombstone is the event that says so.';
COMMENT ON COLUMN ledger.archive.positions IS 'Of the events that were removed, rising.';

CREATE TABLE ledger.import (
    export_id       uuid        NOT NULL PRIMARY KEY,
    keeps_positions boolean     NOT NULL,
    done_position   bigint      NOT NULL,
    last_position   bigint      NOT NULL,
    started_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at     timestamptz
);

COMMENT ON TABLE ledger.import IS 'How far each exported file was taken in.';
COMMENT ON COLUMN ledger.import.keeps_positions IS
    'The ledger was empty: events keep their positions, and until the end readers and seals wait at done_position.';
COMMENT ON COLUMN ledger.import.done_position IS 'Everything up to here, by the file''s own positions, is in.';

-- The next version of a stream is claimed by its unique key (sql/functions): nothing in the ledger is updated any more,
-- but for the progress of imports.
DROP TABLE ledger.stream_head;

-- DELETE has a guarded path of its own (sql/functions), so it is taken out of the triggers that refuse everything.
DROP TRIGGER event_is_immutable ON ledger.event;
DROP TRIGGER artifact_is_immutable ON ledger.artifact;
CREATE TRIGGER event_is_immutable
    BEFORE UPDATE OR TRUNCATE ON ledger.event
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER artifact_is_immutable
    BEFORE UPDATE OR TRUNCATE ON ledger.artifact
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER seal_is_immutable
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.seal
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER archive_is_immutable
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.archive
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER incarnation_is_immutable
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.incarnation
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE FUNCTION ledger.refuse_unless_archived() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- Only ledger.remove_archived sets this, for the length of its own statement. That it can be set by hand
    -- opens nothing: the rows that go are held against the archive after the statement.
    IF coalesce(current_setting('ledger.removing', true), '') = '' THEN
        RAISE EXCEPTION 'the ledger is append-only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = 'PW001', HINT = 'A correction is a new event.';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger.refuse_unrecorded_removal() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT task_id, position FROM gone
        EXCEPT
        SELECT task_id, unnest(positions) FROM ledger.archive WHERE task_id IN (SELECT task_id FROM gone)
    ) THEN
        RAISE EXCEPTION 'the ledger is append-only: an event that is in no archive would be removed'
            USING ERRCODE = 'PW001', HINT = 'Archive the task: pw ledger archive.';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger.refuse_unarchived_artifact() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM gone WHERE NOT EXISTS (SELECT FROM ledger.archive WHERE archive.task_id = gone.task_id)
    ) THEN
        RAISE EXCEPTION 'the ledger is append-only: an artifact of a task in no archive would be removed'
            USING ERRCODE = 'PW001', HINT = 'Archive the task: pw ledger archive.';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER event_is_not_deleted
    BEFORE DELETE ON ledger.event
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_unless_archived();
CREATE TRIGGER event_is_archived_before_it_goes
    AFTER DELETE ON ledger.event REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_unrecorded_removal();
CREATE TRIGGER artifact_is_not_deleted
    BEFORE DELETE ON ledger.artifact
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_unless_archived();
CREATE TRIGGER artifact_is_archived_before_it_goes
    AFTER DELETE ON ledger.artifact REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_unarchived_artifact();

-- The content hash is computed by the database from now on, over what it stores. No seal rests on the old ones
-- yet, so this is the one time that a column of stored events is written: nothing that was sent is touched.
ALTER TABLE ledger.event DISABLE TRIGGER event_is_immutable;
UPDATE ledger.event
SET content_hash = sha256(convert_to(concat_ws(
    E'\n', task_id, stream_id, message_id, type, schema_version, coalesce(worker_id, ''),
    coalesce(lease_epoch::text, ''), extract(epoch FROM occurred_at), payload
), 'UTF8'));
ALTER TABLE ledger.event ENABLE TRIGGER event_is_immutable;

COMMENT ON COLUMN ledger.event.content_hash IS 'SHA-256 of what the sender sent, as stored (ledger.content_text).';

-- Identifiers are separated by line feeds where they are hashed, so they hold none.
ALTER TABLE ledger.event ADD CONSTRAINT event_identifiers_are_one_line CHECK (
    strpos(task_id, E'\n') = 0 AND strpos(stream_id, E'\n') = 0 AND strpos(type, E'\n') = 0
    AND strpos(coalesce(worker_id, ''), E'\n') = 0 AND worker_id <> ''
);
