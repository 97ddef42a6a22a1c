-- One row per blocker: what kept a worker from going on, what was done about it, and how long it took.
--
-- From the read model where that has all of a task; else from the ledger itself (see analytics.subtask).

CREATE VIEW analytics.blocker AS
WITH behind AS (
    SELECT DISTINCT task_id
    FROM ledger.event
    WHERE position > (SELECT position FROM projection.build WHERE name = 'blocker' AND status = 'live')
        AND position < 9223372036854775807
)

SELECT
    task_id,
    subtask,
    number,
    kind,
    policy,
    detail,
    context,
    waits_for,
    worker_id,
    lease_epoch,
    opened_at,
    answered_at,
    answer,
    action,
    answered_by,
    -- A clock that was set back must not give time back; and an open blocker has not waited for nothing.
    CASE WHEN answered_at IS NOT NULL
        THEN round(greatest(extract(epoch FROM answered_at - opened_at), 0), 3)
    END::float8 AS waited_seconds,
    freed_at,
    cost_seconds
FROM projection.blocker
-- Where the read model has everything, which is soon found out, no task has to be looked up.
WHERE CASE
    WHEN (SELECT max(position) FROM ledger.event)
        > (SELECT position FROM projection.build WHERE name = 'blocker' AND status = 'live')
    THEN NOT EXISTS (
        SELECT FROM ledger.event
        WHERE event.task_id = blocker.task_id
            AND event.position > (SELECT position FROM projection.build WHERE name = 'blocker' AND status = 'live')
    )
    ELSE true
END
UNION ALL
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
    CASE WHEN answered.position IS NOT NULL
        THEN round(greatest(extract(epoch FROM answered.occurred_at - opened.occurred_at), 0), 3)
    END::float8 AS waited_seconds,
    kept.freed_at,
    kept.cost_seconds
FROM behind
JOIN ledger.event AS opened ON opened.task_id = behind.task_id
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
-- When its worker went on is a matter of the whole subtask: the read model has followed it.
LEFT JOIN projection.blocker AS kept
    ON kept.task_id = opened.task_id AND kept.subtask = split_part(opened.stream_id, '.', 2)::integer
    AND kept.number = (opened.payload ->> 'number')::integer
WHERE opened.type = 'blocker_opened';

COMMENT ON VIEW analytics.blocker IS
    'One row per blocker: what kept a worker from going on, what was done about it, and how long it took.';
COMMENT ON COLUMN analytics.blocker.number IS '1, 2, 3 ... within the subtask.';
COMMENT ON COLUMN analytics.blocker.policy IS
    'What the service does: wait for a subtask, answer at once, park, extend, split, or ask people.';
COMMENT ON COLUMN analytics.blocker.waits_for IS 'Number of the subtask whose end is waited for; NULL: of none.';
COMMENT ON COLUMN analytics.blocker.answered_at IS 'NULL: it is open.';
COMMENT ON COLUMN analytics.blocker.waited_seconds IS 'From its opening to its answer; NULL: it is open.';
COMMENT ON COLUMN analytics.blocker.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.blocker.subtask IS 'Number of the subtask within its task.';
COMMENT ON COLUMN analytics.blocker.kind IS
    'dependency_wait, external_dependency, complexity_exceeded or scope_clarification.';
COMMENT ON COLUMN analytics.blocker.detail IS 'What the service made of it, in words.';
COMMENT ON COLUMN analytics.blocker.context IS 'The worker''s own words.';
COMMENT ON COLUMN analytics.blocker.worker_id IS 'Who was blocked.';
COMMENT ON COLUMN analytics.blocker.lease_epoch IS 'Number of the attempt within its subtask.';
COMMENT ON COLUMN analytics.blocker.opened_at IS 'When the worker said it.';
COMMENT ON COLUMN analytics.blocker.answer IS 'In words; empty: there is none yet.';
COMMENT ON COLUMN analytics.blocker.action IS
    'What follows from the answer: resume, extend, split or give_up; NULL: there is none yet.';
COMMENT ON COLUMN analytics.blocker.answered_by IS
    'Who has answered; service: nobody had to. NULL: there is none yet.';
COMMENT ON COLUMN analytics.blocker.freed_at IS
    'When its worker went on, or was rid of the subtask; NULL: it still waits. By the read models.';
COMMENT ON COLUMN analytics.blocker.cost_seconds IS
    'Worker time that it has cost, so far where it still waits; NULL: the read models do not know it yet.';
