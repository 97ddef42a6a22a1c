-- Did specialisation pay?
--
-- Accepted attempts of a worker in one kind of trouble, counted from its first: nth 1 is the first time, 10 is the
-- tenth and all later ones. median_seconds is active time; ratio_to_first compares how long they took beside their
-- estimates with the first ones (so that large and small subtasks compare): 0.5 is twice as fast as the first
-- time. With few attempts, or later ones that were chosen to be easier in ways that estimates do not see, it
-- proves nothing.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/11_did_specialisation_pay.sql

WITH counted AS (
    SELECT
        domain,
        least(row_number() OVER (PARTITION BY worker_id, domain ORDER BY claimed_at, subtask), 10)::integer AS nth,
        active_seconds,
        active_seconds / nullif(estimated_seconds, 0) AS pace
    FROM analytics.attempt
    WHERE task_id = :'task' AND outcome = 'accepted' AND active_seconds > 0
),

grouped AS (
    SELECT
        domain,
        nth,
        count(*)::integer AS attempts,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY active_seconds) AS median_seconds,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY pace) AS median_pace
    FROM counted
    GROUP BY domain, nth
)

SELECT
    domain,
    nth,
    attempts,
    median_seconds,
    median_pace / nullif(first_value(median_pace) OVER (PARTITION BY domain ORDER BY nth), 0) AS ratio_to_first
FROM grouped
ORDER BY domain, nth
