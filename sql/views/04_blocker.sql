-- One row per blocker: what kept a worker from going on, what was done about it, and how long it took.

CREATE VIEW analytics.blocker AS
SELECT
    opened.task_id,
    split_part(opened.stream_id, '.', 2)::integer AS subtask,
    (opened.payload ->> 'number')::integer AS number,
    blocked.payload #>> '{issue,kind}' AS kind,
    opened.payload ->> 'policy' AS policy,
    opened.payload ->> 'detail' AS detail,
    coalesce(blocked.payload ->> 'context', '') AS context,
    split_part(opened.payload ->> 'waits_for', '.', 2)::integer AS waits_for,
    opened.worker_id,
    opened.lease_epoch,
    opened.occurred_at AS opened_at,
    answered.occurred_at AS answered_at,
    coalesce(answered.payload ->> 'text', '') AS answer,
    CASE WHEN answered.position IS NOT NULL THEN coalesce(answered.payload ->> 'action', 'resume') END AS action,
    CASE WHEN answered.position IS NOT NULL THEN coalesce(answered.payload ->> 'by', 'service') END AS answered_by,
    -- A clock that was set back must not give time back; and an open blocker has not waited for nothing.
    CASE WHEN answered.position IS NOT NULL
        THEN round(greatest(extract(epoch FROM answered.occurred_at - opened.occurred_at), 0), 3)
    END::float8 AS waited_seconds
FROM ledger.event AS opened
-- What the worker has said is the event before, in its own words.
LEFT JOIN LATERAL (
    SELECT payload
    FROM ledger.event
    WHERE event.task_id = opened.task_id AND event.stream_id = opened.stream_id
        AND event.version < opened.version AND type = 'blocked'
    ORDER BY version DESC
    LIMIT 1
) AS blocked ON true
LEFT JOIN LATERAL (
    SELECT position, occurred_at, payload
    FROM ledger.event
    WHERE event.task_id = opened.task_id AND event.stream_id = opened.stream_id
        AND event.version > opened.version AND type = 'blocker_answered'
        AND event.payload -> 'number' = opened.payload -> 'number'
    ORDER BY version DESC
    LIMIT 1
) AS answered ON true
WHERE opened.type = 'blocker_opened';

COMMENT ON VIEW analytics.blocker IS
    'One row per blocker: what kept a worker from going on, what was done about it, and how long it took.';
COMMENT ON COLUMN analytics.blocker.number IS '1, 2, 3 ... within the subtask.';
COMMENT ON COLUMN analytics.blocker.policy IS
    'What the service does: wait for a subtask, answer at once, park, extend, split, or ask people.';
COMMENT ON COLUMN analytics.blocker.waits_for IS 'Number of the subtask whose end is waited for; NULL: of none.';
COMMENT ON COLUMN analytics.blocker.answered_at IS 'NULL: it is open.';
COMMENT ON COLUMN analytics.blocker.waited_seconds IS 'From its opening to its answer; NULL: it is open.';
