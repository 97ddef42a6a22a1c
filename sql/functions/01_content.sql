-- What is hashed of an event: all that its sender sent, one field a line, the payload last as jsonb prints it.
-- Identifiers hold no line feed and jsonb prints none, so equal texts mean equal events. Absent is empty.
CREATE OR REPLACE FUNCTION ledger.content_text(
    task_id        text,
    stream_id      text,
    message_id     uuid,
    type           text,
    schema_version smallint,
    worker_id      text,
    lease_epoch    integer,
    occurred_at    timestamptz,
    payload        jsonb
) RETURNS text
-- Not IMMUTABLE only because extract() of a timestamptz is not; of the epoch it depends on no setting.
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- In one pass: a chain of || copies the text with every piece.
    SELECT concat_ws(
        E'\n', task_id, stream_id, message_id, type, schema_version, coalesce(worker_id, ''),
        coalesce(lease_epoch::text, ''), extract(epoch FROM occurred_at), payload
    )
$$;

COMMENT ON FUNCTION ledger.content_text IS 'The text whose SHA-256 is the content hash of an event.';
