-- One row per subtask: what it is, how it stands, what it took. An independent fold of the ledger in SQL; the
-- states are those of domain/lifecycle.py.

CREATE VIEW analytics.subtask AS
WITH planned AS (
    SELECT task_id, stream_id, payload
    FROM ledger.event
    WHERE type = 'subtask_planned'
),

-- The last event that decides the state.
latest AS (
    SELECT DISTINCT ON (task_id, stream_id)
        task_id,
        stream_id,
        CASE type
            WHEN 'subtask_planned' THEN 'planned'
            WHEN 'subtask_ready' THEN 'ready'
            WHEN 'subtask_claimed' THEN 'claimed'
            WHEN 'started' THEN 'running'
            WHEN 'progress' THEN 'running'
            WHEN 'blocked' THEN 'blocked'
            WHEN 'completed' THEN 'reported'
            WHEN 'subtask_accepted' THEN 'accepted'
            WHEN 'subtask_held' THEN 'held'
            ELSE 'planned'
        END AS status,
        worker_id,
        lease_epoch,
        occurred_at
    FROM ledger.event
    WHERE type IN (
        'subtask_planned', 'subtask_ready', 'subtask_claimed', 'started', 'progress', 'blocked', 'completed',
        'failed', 'lease_expired', 'subtask_released', 'subtask_rejected', 'subtask_accepted', 'subtask_held'
    )
    ORDER BY task_id, stream_id, version DESC
),

-- One row per attempt: from the worker's first word to its last.
attempt AS (
    SELECT
        task_id,
        stream_id,
        lease_epoch,
        min(occurred_at) FILTER (WHERE type IN ('started', 'progress', 'blocked')) AS started_at,
        -- Nobody knows when a lost worker stopped: it counts up to its last word.
        CASE WHEN bool_or(type = 'lease_expired') AND NOT bool_or(type = 'completed')
            THEN max(occurred_at) FILTER (WHERE type IN ('started', 'progress', 'blocked'))
            ELSE min(occurred_at) FILTER (WHERE type IN ('completed', 'failed', 'subtask_released'))
        END AS ended_at,
        bool_or(type IN ('failed', 'subtask_rejected')) AS failed,
        -- A coordinator that was killed says nothing about the subtask.
        bool_or(type = 'lease_expired' AND NOT coalesce((payload ->> 'coordinator_gone')::boolean, false)) AS lost,
        (array_agg(
            coalesce((payload ->> 'completed')::numeric / nullif((payload ->> 'total')::numeric, 0), 0)
            ORDER BY version DESC
        ) FILTER (WHERE type = 'progress'))[1] AS fraction
    FROM ledger.event
    WHERE lease_epoch IS NOT NULL
    GROUP BY task_id, stream_id, lease_epoch
),

effort AS (
    SELECT
        task_id,
        stream_id,
        count(*) AS attempts,
        count(*) FILTER (WHERE failed) AS failures,
        count(*) FILTER (WHERE lost) AS losses,
        -- A clock that was set back must not give time back.
        coalesce(sum(greatest(extract(epoch FROM ended_at - started_at), 0)), 0) AS worker_seconds
    FROM attempt
    GROUP BY task_id, stream_id
)

SELECT
    planned.task_id,
    split_part(planned.stream_id, '.', 2)::integer AS subtask,
    (planned.payload ->> 'phase')::integer AS phase,
    latest.status,
    planned.payload ->> 'title' AS title,
    planned.payload ->> 'reason' AS reason,
    jsonb_array_length(planned.payload -> 'problems') AS problems,
    jsonb_array_length(planned.payload #> '{scope,files}') AS files,
    CASE WHEN latest.status IN ('claimed', 'running', 'blocked', 'reported', 'accepted') THEN latest.worker_id END
        AS worker_id,
    coalesce(effort.attempts, 0)::integer AS attempts,
    coalesce(effort.failures, 0)::integer AS failures,
    coalesce(effort.losses, 0)::integer AS losses,
    (planned.payload #>> '{effort,p50}')::float8 AS estimated_seconds,
    round(coalesce(effort.worker_seconds, 0), 3)::float8 AS worker_seconds,
    CASE
        WHEN latest.status = 'accepted' THEN 1.0
        WHEN latest.status = 'reported' THEN 0.99
        WHEN latest.status IN ('running', 'blocked') THEN least(coalesce(attempt.fraction, 0), 0.99)
        ELSE 0.0
    END::float8 AS fraction,
    latest.occurred_at AS changed_at
FROM planned
JOIN latest USING (task_id, stream_id)
LEFT JOIN effort USING (task_id, stream_id)
LEFT JOIN attempt
    ON attempt.task_id = latest.task_id AND attempt.stream_id = latest.stream_id
    AND attempt.lease_epoch = latest.lease_epoch;

COMMENT ON VIEW analytics.subtask IS 'One row per subtask: what it is, how it stands, what it took.';
COMMENT ON COLUMN analytics.subtask.failures IS 'Attempts that failed or whose work a gate refused.';
COMMENT ON COLUMN analytics.subtask.losses IS 'Attempts whose worker was lost; they say nothing about the subtask.';
COMMENT ON COLUMN analytics.subtask.estimated_seconds IS 'Median of the estimate that it was planned with.';
COMMENT ON COLUMN analytics.subtask.worker_seconds IS 'From the worker''s first word to its last, over all attempts.';
COMMENT ON COLUMN analytics.subtask.fraction IS 'Share that is done, 0 to 1; 0.99 until the gates have decided.';
