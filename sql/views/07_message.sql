-- What workers have said, in plain columns.

CREATE VIEW analytics.message AS
SELECT
    event.position,
    event.task_id,
    split_part(event.stream_id, '.', 2)::integer AS subtask,
    event.lease_epoch AS attempt,
    event.worker_id,
    event.type,
    said.body ->> 'status' AS status,
    (said.body ->> 'completed')::integer AS completed,
    (said.body ->> 'total')::integer AS total,
    said.body #>> '{issue,kind}' AS issue,
    coalesce(
        said.body ->> 'summary', said.body ->> 'error', said.body ->> 'context', said.body ->> 'status', ''
    ) AS text,
    (said.body ->> 'recoverable')::boolean AS recoverable,
    said.body #>> '{usage,model}' AS model,
    (said.body #>> '{usage,tokens_in}')::bigint AS tokens_in,
    (said.body #>> '{usage,tokens_out}')::bigint AS tokens_out,
    (said.body #>> '{usage,cost}')::float8 AS cost,
    said.body -> 'result' AS result,
    event.occurred_at,
    event.recorded_at
FROM ledger.event
-- What came too late is kept inside of an event of the service.
CROSS JOIN LATERAL (
    SELECT CASE event.type WHEN 'late_reported' THEN event.payload -> 'message' ELSE event.payload END AS body
) AS said
WHERE event.type IN ('started', 'progress', 'blocked', 'completed', 'failed', 'late_reported');

COMMENT ON VIEW analytics.message IS
    'One row for each message of a worker, from the ledger itself; order by position, or ask for one task.';
COMMENT ON COLUMN analytics.message.position IS 'Its place in the ledger.';
COMMENT ON COLUMN analytics.message.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.message.subtask IS 'Number of the subtask within its task.';
COMMENT ON COLUMN analytics.message.attempt IS 'The lease''s epoch under which it was sent.';
COMMENT ON COLUMN analytics.message.worker_id IS 'Who sent it.';
COMMENT ON COLUMN analytics.message.type IS
    'started, progress, blocked, completed, failed, or late_reported: said when another one held the subtask.';
COMMENT ON COLUMN analytics.message.status IS 'What it is at, in its own words, with progress.';
COMMENT ON COLUMN analytics.message.completed IS 'How many parts are done, with progress.';
COMMENT ON COLUMN analytics.message.total IS 'Of how many, with progress.';
COMMENT ON COLUMN analytics.message.issue IS
    'What blocks it: dependency_wait, external_dependency, complexity_exceeded or scope_clarification; else NULL.';
COMMENT ON COLUMN analytics.message.text IS 'Summary, error, context or status: what a person would read first.';
COMMENT ON COLUMN analytics.message.recoverable IS
    'Whether it says that another attempt may help; NULL: it did not say.';
COMMENT ON COLUMN analytics.message.model IS 'Language model; NULL: unknown.';
COMMENT ON COLUMN analytics.message.tokens_in IS 'Tokens read since the attempt began; NULL: unknown.';
COMMENT ON COLUMN analytics.message.tokens_out IS 'Tokens written since the attempt began; NULL: unknown.';
COMMENT ON COLUMN analytics.message.cost IS 'In US dollars since the attempt began; NULL: unknown.';
COMMENT ON COLUMN analytics.message.result IS 'What it hands over with its completion, as it was sent; else NULL.';
COMMENT ON COLUMN analytics.message.occurred_at IS 'By the worker''s clock.';
COMMENT ON COLUMN analytics.message.recorded_at IS 'By the ledger''s clock.';
