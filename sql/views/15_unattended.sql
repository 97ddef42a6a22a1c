-- When nobody ran a task: from the last event before a coordinator was gone, or had paused it, to the one with which
-- somebody took it over. Wall time is without it, and so must be what is held against wall time.

CREATE VIEW analytics.unattended AS
SELECT
    task.task_id,
    span.from_at,
    span.to_at,
    extract(epoch FROM span.to_at - span.from_at)::float8 AS seconds
FROM projection.progress AS task
CROSS JOIN LATERAL (
    SELECT
        event.type,
        event.payload,
        lag(event.occurred_at) OVER (ORDER BY event.position) AS from_at,
        event.occurred_at AS to_at
    FROM ledger.event
    WHERE event.task_id = task.task_id
) AS span
WHERE span.from_at < span.to_at
    AND (
        span.type IN ('task_resumed', 'task_archived')
        OR (span.type = 'lease_expired' AND (span.payload ->> 'coordinator_gone')::boolean)
    );

COMMENT ON VIEW analytics.unattended IS 'When nobody ran a task: it was paused, or its coordinator was gone. Ask for one task.';
COMMENT ON COLUMN analytics.unattended.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.unattended.from_at IS 'The last event before.';
COMMENT ON COLUMN analytics.unattended.to_at IS 'When somebody took the task over.';
COMMENT ON COLUMN analytics.unattended.seconds IS 'From the one to the other.';
