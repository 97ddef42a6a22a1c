-- What did coordination cost?
--
-- All time in which workers had a subtask, apart: accepted work is what it was for; all else is the price of doing
-- it with others. starting is handing out, gates and merges are checking, verdict is waiting for both, blocked is
-- waiting for others or answers, lost is silence until somebody noticed, done in vain is work that was refused,
-- failed, or handed back. share is of all of it.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/12_what_did_coordination_cost.sql

WITH attempt AS (
    SELECT
        sum(starting_seconds) AS starting,
        sum(active_seconds) FILTER (WHERE outcome = 'accepted') AS accepted,
        sum(active_seconds) FILTER (WHERE outcome <> 'accepted') AS in_vain,
        sum(blocked_seconds) AS blocked,
        coalesce(sum(judged_seconds), 0) AS judged,
        sum(attended.lost_seconds) AS lost
    FROM analytics.attempt
    JOIN analytics.attended USING (task_id, subtask, attempt)
    WHERE attempt.task_id = :'task' AND ended_at IS NOT NULL
),

gate AS (
    SELECT
        coalesce(sum(seconds) FILTER (WHERE gate <> 'merge'), 0) AS gates,
        coalesce(sum(seconds) FILTER (WHERE gate = 'merge'), 0) AS merges
    FROM analytics.gate
    WHERE task_id = :'task'
),

-- Gates that ran side by side took no more than the time until the verdict.
checked AS (
    SELECT gates, merges, least(1, judged / nullif(gates + merges, 0)) AS scale
    FROM gate
    CROSS JOIN attempt
),

part (place, kind, seconds) AS (
    SELECT 1, 'accepted work', accepted FROM attempt
    UNION ALL
    SELECT 2, 'starting', starting FROM attempt
    UNION ALL
    SELECT 3, 'gates', gates * scale FROM checked
    UNION ALL
    SELECT 4, 'merges', merges * scale FROM checked
    UNION ALL
    SELECT 5, 'verdict', judged - coalesce((gates + merges) * scale, 0) FROM checked CROSS JOIN attempt
    UNION ALL
    SELECT 6, 'blocked', blocked FROM attempt
    UNION ALL
    SELECT 7, 'lost', lost FROM attempt
    UNION ALL
    SELECT 8, 'done in vain', in_vain FROM attempt
)

SELECT
    kind,
    round(coalesce(seconds, 0)::numeric, 3)::float8 AS seconds,
    coalesce(seconds, 0) / nullif(sum(seconds) OVER (), 0) AS share
FROM part
WHERE EXISTS (SELECT FROM analytics.attempt WHERE task_id = :'task' AND ended_at IS NOT NULL)
ORDER BY place
