-- Which attempts came to nothing, and what did they cost?
--
-- Attempts that were not accepted, in the order in which they ended, with how: rejected and failed are the work's
-- fault, lost is the worker's (it died, or was silent), timed_out is neither known. clock is which clock of the
-- lease ran out. seconds is for how long the worker had the subtask while somebody ran the task, cost what it said
-- it cost in US dollars. tried_again is whether another attempt followed.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/09_retries_and_lost_workers.sql

WITH ending AS (
    SELECT DISTINCT ON (subtask, lease_epoch)
        subtask,
        lease_epoch,
        what,
        -- A clock that is not said is the first one.
        CASE type WHEN 'lease_expired' THEN coalesce(payload ->> 'clock', 'heartbeat') END AS clock
    FROM analytics.event
    WHERE task_id = :'task' AND lease_epoch IS NOT NULL
        AND type IN ('failed', 'lease_expired', 'subtask_released', 'subtask_rejected')
    ORDER BY subtask, lease_epoch, position DESC
)

SELECT
    attempt.subtask,
    attempt.attempt,
    attempt.worker_id,
    attempt.outcome,
    ending.clock,
    attended.held_seconds AS seconds,
    attempt.cost,
    coalesce(ending.what, '') AS reason,
    attempt.attempt < subtask.attempts AS tried_again,
    attempt.title
FROM analytics.attempt
JOIN analytics.subtask USING (task_id, subtask)
JOIN analytics.attended USING (task_id, subtask, attempt)
LEFT JOIN ending ON ending.subtask = attempt.subtask AND ending.lease_epoch = attempt.attempt
WHERE attempt.task_id = :'task' AND attempt.ended_at IS NOT NULL AND attempt.outcome <> 'accepted'
ORDER BY attempt.ended_at, attempt.subtask, attempt.attempt
