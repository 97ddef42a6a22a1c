-- The chain of attempts that has decided how long a task took, from the first to the last: each began when what it
-- waited for was over.
--
-- Found from the end: before an attempt comes the one that ended last of all that it can have waited for. Ask for one
-- task.

CREATE VIEW analytics.critical_path AS
SELECT
    task.task_id,
    step.step,
    step.phase,
    step.subtask,
    step.attempt,
    step.title,
    step.worker_id,
    step.outcome,
    step.from_at,
    step.to_at,
    held.seconds,
    step.waited_for,
    waited.seconds AS waited_seconds
FROM projection.progress AS task
CROSS JOIN LATERAL (
    SELECT coalesce(range_agg(tstzrange(unattended.from_at, unattended.to_at)), '{}') AS spans
    FROM analytics.unattended
    WHERE unattended.task_id = task.task_id
) AS away
CROSS JOIN LATERAL (
    WITH RECURSIVE attempt AS MATERIALIZED (
        SELECT
            history.subtask, history.lease_epoch, history.phase, history.worker_id, history.outcome,
            history.claimed_at, history.ended_at, plan.files, plan.depends_on
        FROM projection.history
        LEFT JOIN projection.plan USING (task_id, subtask)
        WHERE history.task_id = task.task_id AND history.ended_at IS NOT NULL
    ),

    path AS (
        (
            SELECT 1 AS back, attempt.*, NULL::text AS link
            FROM attempt
            ORDER BY ended_at DESC, subtask
            LIMIT 1
        )
        UNION ALL
        SELECT path.back + 1, earlier.*
        FROM path
        CROSS JOIN LATERAL (
            SELECT
                attempt.*,
                CASE
                    WHEN attempt.subtask = path.subtask THEN format('attempt %s', attempt.lease_epoch)
                    WHEN attempt.subtask = ANY (path.depends_on) THEN format('subtask %s', attempt.subtask)
                    WHEN attempt.phase < path.phase THEN format('round %s', attempt.phase)
                    WHEN attempt.files && path.files THEN format('a file of subtask %s', attempt.subtask)
                    ELSE format('worker %s', attempt.worker_id)
                END AS link
            FROM attempt
            WHERE attempt.ended_at <= path.claimed_at AND attempt.claimed_at < path.claimed_at
                AND (
                    attempt.subtask = path.subtask OR attempt.subtask = ANY (path.depends_on)
                    OR attempt.files && path.files OR attempt.worker_id = path.worker_id OR attempt.phase < path.phase
                )
            ORDER BY
                attempt.ended_at DESC, attempt.subtask = path.subtask DESC,
                attempt.subtask = ANY (path.depends_on) DESC, attempt.files && path.files DESC, attempt.subtask
            LIMIT 1
        ) AS earlier
    )

    SELECT
        (row_number() OVER forward)::integer AS step,
        path.phase,
        path.subtask,
        path.lease_epoch AS attempt,
        subtask.title,
        path.worker_id,
        path.outcome,
        path.claimed_at AS from_at,
        path.ended_at AS to_at,
        coalesce(lag(path.link) OVER forward, '') AS waited_for,
        coalesce(lag(path.ended_at) OVER forward, task.submitted_at) AS free_at
    FROM path
    LEFT JOIN projection.subtask ON subtask.task_id = task.task_id AND subtask.subtask = path.subtask
    WINDOW forward AS (ORDER BY path.back DESC)
) AS step
-- Nobody waits while nobody runs the task. A clock that was set back must not give time back.
CROSS JOIN LATERAL (
    SELECT coalesce(sum(extract(epoch FROM upper(span) - lower(span))), 0)::float8 AS seconds
    FROM unnest(tstzmultirange(tstzrange(step.from_at, greatest(step.from_at, step.to_at))) - away.spans) AS span
) AS held
CROSS JOIN LATERAL (
    SELECT coalesce(sum(extract(epoch FROM upper(span) - lower(span))), 0)::float8 AS seconds
    FROM unnest(tstzmultirange(tstzrange(least(step.free_at, step.from_at), step.from_at)) - away.spans) AS span
) AS waited;

COMMENT ON VIEW analytics.critical_path IS
    'The chain of attempts that has decided how long a task took. Ask for one task. By the read models.';
COMMENT ON COLUMN analytics.critical_path.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.critical_path.step IS '1, 2, 3 ... from the beginning of the task.';
COMMENT ON COLUMN analytics.critical_path.phase IS 'The round.';
COMMENT ON COLUMN analytics.critical_path.subtask IS 'Number of the subtask within its task.';
COMMENT ON COLUMN analytics.critical_path.attempt IS 'The lease''s epoch.';
COMMENT ON COLUMN analytics.critical_path.title IS 'Of the subtask.';
COMMENT ON COLUMN analytics.critical_path.worker_id IS 'Who held the subtask.';
COMMENT ON COLUMN analytics.critical_path.outcome IS 'How the attempt has ended.';
COMMENT ON COLUMN analytics.critical_path.from_at IS 'When it was claimed.';
COMMENT ON COLUMN analytics.critical_path.to_at IS 'When it was over.';
COMMENT ON COLUMN analytics.critical_path.seconds IS 'From the one to the other, without time in which nobody ran the task.';
COMMENT ON COLUMN analytics.critical_path.waited_for IS
    'The step before, as what it waited for: attempt N of its own, subtask N, a file, its worker, or its round.';
COMMENT ON COLUMN analytics.critical_path.waited_seconds IS
    'From the end of the step before, or from the submission, to the claim, in the same way: planning, queueing, looking at the tree.';
