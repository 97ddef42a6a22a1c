-- append: store events in their order and say where they are. All or none.
--
-- Binds: one array per column with an entry per stream, sorted by name: its name, and the version that it must have
-- before (NULL: any). Then one array per column with an entry per event: its stream as an index into the former (1,
-- 2, 3 ...), its place within the stream (1, 2, 3 ...), and what it says; payloads as JSON text.
-- Then tasks, and the position that must be the last of each: what was decided on a state is stored only where that
-- state still stands.
-- Gives: the positions of the events, in their order, and the version that each stream had before.
-- Locks: the advisory lock that all appends share; readers take it exclusively to learn that no append is under way.
-- Of appends that name the last position of a task one at a time goes on, by an advisory lock each, in the order of
-- their keys: two that were decided on the same state cannot both find it unchanged.
-- No lock on streams: the version that follows the last one is claimed by its unique key. Of two appends to one
-- stream at the same moment the second waits for the first to commit, and is then refused. Rows go in sorted by
-- stream, so that two appends to the same streams never wait for each other.
-- Refuses with SQLSTATE PW002 when a version is not the expected one (DETAIL: a JSON array of task, stream, version
-- found); with a violation of event_stream_version_key when another append was faster (send it again), and of
-- event_message_key when a message id is in the ledger already. The sender looks for what it has sent before only
-- then: a repeated message is rare, the key finds it for nothing, and ON CONFLICT would cost every insert a tenth.
-- Refuses with SQLSTATE PW005 when a task is archived, and PW006 when one has moved on (DETAIL: a JSON array of task,
-- last position).
-- Indexes: archive_pkey; event_stream_version_key gives the last version of a stream.
DROP FUNCTION IF EXISTS ledger.append_v1(
    text[], text[], bigint[], integer[], integer[], uuid[], text[], smallint[], text[], integer[], timestamptz[], text[]
);

CREATE OR REPLACE FUNCTION ledger.append_v2(
    head_tasks text[], head_streams text[], head_expected bigint[],
    heads integer[], ordinals integer[], messages uuid[], types text[], schema_versions smallint[], workers text[],
    epochs integer[], occurred timestamptz[], payloads text[],
    turn_tasks text[], turn_positions bigint[],
    OUT positions bigint[], OUT bases bigint[]
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    mismatches jsonb;
BEGIN
    -- The key is the bytes of "pw-ledgr".
    PERFORM pg_advisory_xact_lock_shared(8103995998057293682);

    -- The versions of its streams went with its events: a late one would get a version that is taken already.
    IF EXISTS (
        SELECT FROM ledger.archive
        WHERE task_id = ANY (head_tasks) AND NOT EXISTS (
            SELECT FROM ledger.event
            WHERE event.task_id = archive.task_id AND event.position = archive.positions[1]
        )
    ) THEN
        RAISE EXCEPTION 'the task is archived: bring it back with pw ledger import' USING ERRCODE = 'PW005';
    END IF;

    IF cardinality(turn_tasks) > 0 THEN
        -- The class is the bytes of "pwTu".
        PERFORM pg_advisory_xact_lock(1886868597, key)
        FROM (SELECT DISTINCT hashtext(task_id) AS key FROM unnest(turn_tasks) AS turn (task_id) ORDER BY key) AS keys;

        -- A new statement: it sees what those before us have committed.
        SELECT jsonb_agg(jsonb_build_array(task_id, last_position))
        INTO mismatches
        FROM unnest(turn_tasks, turn_positions) AS turn (task_id, expected)
        CROSS JOIN LATERAL (
            SELECT coalesce(max(position), 0) AS last_position
            FROM ledger.event
            WHERE event.task_id = turn.task_id
        ) AS latest
        WHERE last_position <> expected;

        IF mismatches IS NOT NULL THEN
            RAISE EXCEPTION 'a task is not at the position that was expected'
                USING ERRCODE = 'PW006', DETAIL = mismatches::text;
        END IF;
    END IF;

    SELECT
        array_agg(base ORDER BY place),
        jsonb_agg(jsonb_build_array(task_id, stream_id, base)) FILTER (WHERE base <> expected)
    INTO bases, mismatches
    FROM unnest(head_tasks, head_streams, head_expected) WITH ORDINALITY AS head (task_id, stream_id, expected, place)
    CROSS JOIN LATERAL (
        SELECT coalesce(max(version), 0) AS base
        FROM ledger.event
        WHERE event.task_id = head.task_id AND event.stream_id = head.stream_id
    ) AS latest;

    IF mismatches IS NOT NULL THEN
        RAISE EXCEPTION 'a stream is not at the version that was expected'
            USING ERRCODE = 'PW002', DETAIL = mismatches::text;
    END IF;

    positions := ARRAY(SELECT nextval('ledger.position') FROM generate_series(1, cardinality(heads)));

    INSERT INTO ledger.event (
        task_id, stream_id, version, position, message_id, type, schema_version,
        worker_id, lease_epoch, occurred_at, payload, content_hash
    )
    SELECT
        task_id, stream_id, base + ordinal, positions[place], message_id, type, schema_version,
        worker_id, lease_epoch, occurred_at, payload,
        sha256(convert_to(ledger.content_text(
            task_id, stream_id, message_id, type, schema_version, worker_id, lease_epoch, occurred_at, payload
        ), 'UTF8'))
    FROM unnest(
        heads, ordinals, messages, types, schema_versions, workers, epochs, occurred, payloads::jsonb[]
    ) WITH ORDINALITY AS sent (
        head, ordinal, message_id, type, schema_version, worker_id, lease_epoch, occurred_at, payload, place
    )
    JOIN unnest(head_tasks, head_streams, bases) WITH ORDINALITY AS head (task_id, stream_id, base, head) USING (head)
    ORDER BY head, ordinal;
END
$$;

COMMENT ON FUNCTION ledger.append_v2(
    text[], text[], bigint[], integer[], integer[], uuid[], text[], smallint[], text[], integer[], timestamptz[], text[],
    text[], bigint[]
) IS 'Store events in their order; all or none.';
