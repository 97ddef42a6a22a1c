-- Every event in plain columns: who said what about which subtask, and when.

CREATE VIEW analytics.event AS
SELECT
    event.position,
    event.task_id,
    -- The number of the subtask within its task; NULL for events of the task itself.
    nullif(split_part(event.stream_id, '.', 2), '')::integer AS subtask,
    event.version,
    event.type,
    event.worker_id,
    event.lease_epoch,
    event.occurred_at,
    event.recorded_at,
    abs(extract(epoch FROM event.occurred_at - event.recorded_at)) > 86400 AS clock_is_off,
    -- The one thing in the payload that a person would read first.
    coalesce(
        event.payload ->> 'title',
        event.payload ->> 'status',
        event.payload ->> 'reason',
        event.payload ->> 'error',
        event.payload ->> 'detail',
        event.payload ->> 'summary',
        event.payload ->> 'name',
        event.payload ->> 'context',
        event.payload ->> 'recommendation',
        event.payload ->> 'text',
        event.payload ->> 'comment',
        event.payload ->> 'found',
        event.payload #>> '{issue,question}',
        event.payload #>> '{issue,issue}',
        event.payload #>> '{issue,resource}',
        event.payload #>> '{message,summary}',
        event.payload #>> '{message,error}',
        ''
    ) AS what,
    event.payload
FROM ledger.event;

COMMENT ON VIEW analytics.event IS 'The ledger in plain columns, one row per event; order by position.';
COMMENT ON COLUMN analytics.event.subtask IS 'Number of the subtask within its task; NULL: the task itself.';
COMMENT ON COLUMN analytics.event.clock_is_off IS
    'The sender''s clock was more than a day ahead of the ledger''s, or behind; occurred_at is kept as sent.';
COMMENT ON COLUMN analytics.event.what IS 'The one thing in the payload that a person would read first.';
COMMENT ON COLUMN analytics.event.position IS 'Its place in the ledger: the order of all events.';
COMMENT ON COLUMN analytics.event.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.event.version IS '1, 2, 3 ... within its subtask, or within the task itself.';
COMMENT ON COLUMN analytics.event.type IS 'What happened: started, subtask_accepted ...';
COMMENT ON COLUMN analytics.event.worker_id IS 'Whose attempt it belongs to; NULL: of nobody.';
COMMENT ON COLUMN analytics.event.lease_epoch IS 'Number of that attempt within its subtask; NULL: of none.';
COMMENT ON COLUMN analytics.event.occurred_at IS 'By the sender''s clock.';
COMMENT ON COLUMN analytics.event.recorded_at IS 'By the ledger''s clock.';
COMMENT ON COLUMN analytics.event.payload IS 'What was sent, whole.';
