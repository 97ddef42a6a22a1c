-- What each worker did from when to when: an attempt is a row of spans, one state each.

CREATE VIEW analytics.timeline AS
WITH boundary AS (
    SELECT task_id, subtask, attempt, claimed_at AS at, 1 AS place, 'starting' AS state
    FROM analytics.attempt
    UNION ALL
    SELECT task_id, subtask, attempt, started_at, 2, 'active'
    FROM analytics.attempt
    WHERE started_at IS NOT NULL
    UNION ALL
    -- Freed and blocked again in one moment: blocked.
    SELECT task_id, subtask, lease_epoch, freed_at, 3, 'active'
    FROM projection.blocker
    WHERE freed_at > opened_at
    UNION ALL
    SELECT task_id, subtask, lease_epoch, opened_at, 4, 'blocked'
    FROM projection.blocker
    WHERE freed_at > opened_at OR freed_at IS NULL
    UNION ALL
    -- Of a worker that was lost nothing is known after its last word.
    SELECT
        task_id, subtask, attempt, started_at + make_interval(secs => active_seconds + blocked_seconds), 5, 'lost'
    FROM analytics.attempt
    WHERE outcome = 'lost' AND started_at IS NOT NULL AND reported_at IS NULL
    UNION ALL
    SELECT task_id, subtask, attempt, reported_at, 6, 'judged'
    FROM analytics.attempt
    WHERE reported_at IS NOT NULL
    UNION ALL
    SELECT task_id, subtask, attempt, ended_at, 7, 'over'
    FROM analytics.attempt
    WHERE ended_at IS NOT NULL
),

span AS (
    SELECT
        task_id,
        subtask,
        attempt,
        state,
        at AS from_at,
        lead(at) OVER (PARTITION BY task_id, subtask, attempt ORDER BY at, place) AS to_at
    FROM boundary
)

SELECT
    span.task_id,
    attempt.worker_id,
    span.subtask,
    attempt.title,
    attempt.domain,
    span.attempt,
    span.state,
    span.from_at,
    span.to_at,
    extract(epoch FROM span.to_at - span.from_at)::float8 AS seconds,
    attempt.outcome
FROM span
JOIN analytics.attempt USING (task_id, subtask, attempt)
WHERE span.state <> 'over'
    AND span.to_at IS DISTINCT FROM span.from_at
    -- What is freed when the attempt is over does not go on.
    AND (attempt.ended_at IS NULL OR span.from_at < attempt.ended_at);

COMMENT ON VIEW analytics.timeline IS
    'What each worker did from when to when, attempt by attempt, a row for each state. By the read models.';
COMMENT ON COLUMN analytics.timeline.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.timeline.worker_id IS 'Who held the subtask.';
COMMENT ON COLUMN analytics.timeline.subtask IS 'Number of the subtask within its task.';
COMMENT ON COLUMN analytics.timeline.title IS 'Of the subtask.';
COMMENT ON COLUMN analytics.timeline.domain IS 'What kind of trouble most of its codes are.';
COMMENT ON COLUMN analytics.timeline.attempt IS 'The lease''s epoch.';
COMMENT ON COLUMN analytics.timeline.state IS
    'starting (claimed, not heard of), active, blocked, judged (done by its own word), lost (no sign of life).';
COMMENT ON COLUMN analytics.timeline.from_at IS 'Since when.';
COMMENT ON COLUMN analytics.timeline.to_at IS 'Until when; NULL: still.';
COMMENT ON COLUMN analytics.timeline.seconds IS 'How long; NULL: still.';
COMMENT ON COLUMN analytics.timeline.outcome IS 'How the attempt has ended in the end.';
