-- Which subtasks were mis-estimated, and why?
--
-- Accepted subtasks, the worst estimate first: what the plan said (every other one should stay under p50_seconds,
-- four in five under p80_seconds), what the attempt that was accepted took without blocked time, and the natural
-- logarithm of actual over p50 (0.69 is twice as long, -0.69 half). why is what the ledger shows beside it: a kind
-- of work or a worker that is off as a whole (median factor, over how many), and what this subtask had against it.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/04_which_subtasks_were_misestimated.sql

WITH estimate AS (
    SELECT estimate.*, attempt.blocked_seconds, attempt.starting_seconds
    FROM analytics.estimate
    JOIN analytics.attempt
        ON attempt.task_id = estimate.task_id AND attempt.subtask = estimate.subtask
        AND attempt.attempt = estimate.attempts
    WHERE estimate.task_id = :'task' AND estimate.actual_seconds IS NOT NULL
),

kind AS (
    SELECT
        domain, exp(percentile_cont(0.5) WITHIN GROUP (ORDER BY log_ratio)) AS factor, count(log_ratio) AS subtasks
    FROM estimate
    GROUP BY domain
),

worker AS (
    SELECT
        worker_id, exp(percentile_cont(0.5) WITHIN GROUP (ORDER BY log_ratio)) AS factor, count(log_ratio) AS subtasks
    FROM estimate
    GROUP BY worker_id
)

SELECT
    estimate.subtask,
    estimate.title,
    coalesce(nullif(estimate.category, ''), estimate.domain) AS category,
    estimate.p50_seconds,
    estimate.p80_seconds,
    estimate.p95_seconds,
    estimate.actual_seconds,
    estimate.log_ratio,
    coalesce(
        nullif(
            concat_ws(
                '; ',
                -- Off by half or more, as a whole, and in the direction of this one.
                CASE WHEN kind.subtasks > 2 AND abs(ln(kind.factor)) > 0.4
                    AND sign(ln(kind.factor)) = sign(estimate.log_ratio)
                    THEN format(
                        '%s takes %s times its estimates (%s subtasks)',
                        coalesce(nullif(estimate.domain, ''), 'this kind'), round(kind.factor::numeric, 2),
                        kind.subtasks
                    )
                END,
                CASE WHEN worker.subtasks > 2 AND abs(ln(worker.factor)) > 0.4
                    AND sign(ln(worker.factor)) = sign(estimate.log_ratio)
                    THEN format(
                        'worker %s takes %s times its estimates (%s subtasks)',
                        estimate.worker_id, round(worker.factor::numeric, 2), worker.subtasks
                    )
                END,
                CASE WHEN estimate.attempts > 1 THEN format('taken at attempt %s', estimate.attempts) END,
                CASE WHEN estimate.blocked_seconds > 0
                    THEN format('blocked for %s s beside it', round(estimate.blocked_seconds::numeric, 1))
                END
            ),
            ''
        ),
        'nothing that the ledger shows'
    ) AS why,
    estimate.worker_id,
    estimate.attempts,
    estimate.all_attempts_seconds
FROM estimate
LEFT JOIN kind USING (domain)
LEFT JOIN worker USING (worker_id)
ORDER BY abs(estimate.log_ratio) DESC NULLS LAST, estimate.subtask
