-- What blocked whom, and for how long?
--
-- One row per blocker, the dearest first (Pareto): cost_seconds is for how long its worker could not go on,
-- cumulative_share what it and those above it make up of all. A few rows that reach 0.8 are what is worth
-- preventing. What is still open costs until now.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/03_what_blocked_whom.sql

SELECT
    subtask,
    kind,
    detail,
    worker_id,
    opened_at,
    freed_at,
    cost_seconds,
    sum(cost_seconds) OVER (ORDER BY cost_seconds DESC, subtask, number)
        / nullif(sum(cost_seconds) OVER (), 0) AS cumulative_share,
    number,
    policy,
    action,
    answered_by,
    waits_for
FROM analytics.blocker
WHERE task_id = :'task'
ORDER BY cost_seconds DESC, subtask, number
