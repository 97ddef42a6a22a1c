-- What did a problem cost?
--
-- One row for each kind of trouble: problems of accepted work, what all attempts there cost in US dollars, those
-- that came to nothing among them, and tokens read and written. NULL is unknown, not free: attempts_unpriced is
-- how many attempts did not say what they cost, and what they cost is missing.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/13_cost_per_problem.sql

SELECT
    domain,
    coalesce(sum(problems) FILTER (WHERE outcome = 'accepted'), 0)::integer AS problems,
    sum(cost) AS cost,
    sum(cost) / nullif(sum(problems) FILTER (WHERE outcome = 'accepted'), 0) AS cost_per_problem,
    sum(coalesce(tokens_in, 0) + coalesce(tokens_out, 0))
        FILTER (WHERE tokens_in IS NOT NULL OR tokens_out IS NOT NULL)::bigint AS tokens,
    count(*)::integer AS attempts,
    (count(*) FILTER (WHERE cost IS NULL))::integer AS attempts_unpriced
FROM analytics.attempt
WHERE task_id = :'task'
GROUP BY domain
ORDER BY cost DESC NULLS LAST, domain
