-- What was on the critical path?
--
-- The chain of attempts that has decided how long the task took: each began when the one before it was over, for
-- the reason that waited_for gives. Only what is on it can make the task shorter. waited_seconds is what lies
-- between two of them: planning, queueing, looking at the tree again.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/02_what_was_on_the_critical_path.sql

SELECT
    step, subtask, title, worker_id, from_at, to_at, seconds, waited_for, waited_seconds, attempt, outcome
FROM analytics.critical_path
WHERE task_id = :'task'
ORDER BY step
