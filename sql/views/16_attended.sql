-- What of an attempt's times somebody ran the task for: these add up to what wall time holds.

CREATE VIEW analytics.attended AS
SELECT
    attempt.task_id,
    attempt.subtask,
    attempt.attempt,
    queued.seconds AS queued_seconds,
    CASE WHEN attempt.ended_at IS NOT NULL THEN held.seconds END AS held_seconds,
    -- Nothing was heard of a worker while nobody ran the task, so that all of it was counted as silence.
    greatest(attempt.lost_seconds - (attempt.held_seconds - held.seconds), 0)::float8 AS lost_seconds
FROM projection.progress AS task
CROSS JOIN LATERAL (
    SELECT coalesce(range_agg(tstzrange(unattended.from_at, unattended.to_at)), '{}') AS spans
    FROM analytics.unattended
    WHERE unattended.task_id = task.task_id
) AS away
JOIN analytics.attempt ON attempt.task_id = task.task_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(extract(epoch FROM upper(span) - lower(span))), 0)::float8 AS seconds
    FROM unnest(
        tstzmultirange(
            tstzrange(attempt.claimed_at - make_interval(secs => attempt.queued_seconds), attempt.claimed_at)
        ) - away.spans
    ) AS span
) AS queued
CROSS JOIN LATERAL (
    SELECT coalesce(sum(extract(epoch FROM upper(span) - lower(span))), 0)::float8 AS seconds
    FROM unnest(
        -- A clock that was set back must not give time back.
        tstzmultirange(tstzrange(attempt.claimed_at, greatest(attempt.ended_at, attempt.claimed_at))) - away.spans
    ) AS span
) AS held;

COMMENT ON VIEW analytics.attended IS
    'What of an attempt''s times somebody ran the task for; the same as the attempt''s where nobody left it. Ask for one task.';
COMMENT ON COLUMN analytics.attended.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.attended.subtask IS 'Number of the subtask within its task.';
COMMENT ON COLUMN analytics.attended.attempt IS 'The lease''s epoch: 1, 2, 3 ... within the subtask.';
COMMENT ON COLUMN analytics.attended.queued_seconds IS 'From being ready to the claim.';
COMMENT ON COLUMN analytics.attended.held_seconds IS 'From the claim to the end of the attempt; NULL: it is not over.';
COMMENT ON COLUMN analytics.attended.lost_seconds IS 'Held without a sign of life; NULL: it is not over.';
