-- Who did what when?
--
-- Each attempt as spans, by worker: active, blocked (it could not go on), judged (it said to be done, gates and
-- merges were under way). What is under way ends with the last event. Gaps are idle time, the time until a worker
-- began, and silence of one that was lost.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/16_timeline.sql

SELECT
    timeline.worker_id,
    timeline.subtask,
    timeline.title,
    timeline.attempt,
    timeline.from_at,
    coalesce(timeline.to_at, greatest(task.changed_at, timeline.from_at)) AS to_at,
    timeline.state,
    timeline.outcome
FROM analytics.timeline
JOIN analytics.task USING (task_id)
WHERE timeline.task_id = :'task' AND timeline.state IN ('active', 'blocked', 'judged')
ORDER BY timeline.worker_id, timeline.from_at, timeline.subtask
