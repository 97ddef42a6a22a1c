-- Who did what, and how well?
--
-- One row for each worker and kind of trouble. problems are those of accepted work; seconds_per_problem is all
-- active time there, work that was refused among it, over them. pace compares accepted work with its estimates, as
-- the geometric mean of actual over estimated: below 1 is faster than planned. Few attempts say little.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/07_who_did_what_how_well.sql

SELECT
    worker_id,
    domain,
    count(*)::integer AS attempts,
    (count(*) FILTER (WHERE outcome = 'accepted'))::integer AS accepted,
    sum(active_seconds) AS active_seconds,
    coalesce(sum(problems) FILTER (WHERE outcome = 'accepted'), 0)::integer AS problems,
    sum(active_seconds) / nullif(sum(problems) FILTER (WHERE outcome = 'accepted'), 0) AS seconds_per_problem,
    exp(
        avg(ln(active_seconds / estimated_seconds))
            FILTER (WHERE outcome = 'accepted' AND active_seconds > 0 AND estimated_seconds > 0)
    ) AS pace,
    sum(cost) AS cost
FROM analytics.attempt
WHERE task_id = :'task' AND ended_at IS NOT NULL
GROUP BY worker_id, domain
ORDER BY worker_id, active_seconds DESC, domain
