-- One row per subtask: what it was planned to take, beside what it took.

CREATE VIEW analytics.estimate AS
SELECT
    forecast.task_id,
    forecast.subtask,
    forecast.phase,
    coalesce(subtask.title, '') AS title,
    coalesce(plan.domain, '') AS domain,
    forecast.category,
    coalesce(plan.strategy, '') AS strategy,
    subtask.status,
    subtask.problems,
    subtask.files,
    forecast.p50_seconds,
    forecast.p80_seconds,
    forecast.p95_seconds,
    history.prior_seconds,
    forecast.actual_seconds,
    subtask.worker_seconds AS all_attempts_seconds,
    forecast.log_ratio,
    forecast.actual_seconds <= forecast.p50_seconds AS within_p50,
    forecast.hit80 AS within_p80,
    forecast.hit95 AS within_p95,
    history.worker_id,
    subtask.attempts,
    forecast.came_at AS ended_at
FROM projection.forecast
LEFT JOIN projection.subtask USING (task_id, subtask)
LEFT JOIN projection.plan USING (task_id, subtask)
-- The latest attempt.
LEFT JOIN projection.history
    ON history.task_id = forecast.task_id AND history.subtask = forecast.subtask
    AND history.lease_epoch = subtask.attempts
WHERE forecast.kind = 'plan';

COMMENT ON VIEW analytics.estimate IS
    'One row per subtask: what it was planned to take, beside what it took. By the read models.';
COMMENT ON COLUMN analytics.estimate.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.estimate.subtask IS 'Number of the subtask within its task.';
COMMENT ON COLUMN analytics.estimate.phase IS 'Round in which it was planned.';
COMMENT ON COLUMN analytics.estimate.title IS 'Of the subtask.';
COMMENT ON COLUMN analytics.estimate.domain IS
    'What kind of trouble most of its codes are: imports, types, formatting.';
COMMENT ON COLUMN analytics.estimate.category IS
    'The kind of work, by which efforts are compared; empty where an early release has planned it.';
COMMENT ON COLUMN analytics.estimate.strategy IS 'How the round was decomposed.';
COMMENT ON COLUMN analytics.estimate.status IS 'How the subtask stands.';
COMMENT ON COLUMN analytics.estimate.problems IS 'How many problems it has.';
COMMENT ON COLUMN analytics.estimate.files IS 'How many files it has.';
COMMENT ON COLUMN analytics.estimate.p50_seconds IS 'Active time that every other such subtask should stay under.';
COMMENT ON COLUMN analytics.estimate.p80_seconds IS 'Active time that four in five should stay under.';
COMMENT ON COLUMN analytics.estimate.p95_seconds IS 'Active time that nineteen in twenty should stay under.';
COMMENT ON COLUMN analytics.estimate.prior_seconds IS
    'The median that is shipped, before anything was learnt; NULL: it was never claimed.';
COMMENT ON COLUMN analytics.estimate.actual_seconds IS
    'Time of the accepted attempt as the effort model counts it: active, or a script''s processor time; NULL: none.';
COMMENT ON COLUMN analytics.estimate.all_attempts_seconds IS 'Worker time of all attempts, blocked time among it.';
COMMENT ON COLUMN analytics.estimate.log_ratio IS
    'Natural logarithm of actual over estimated median: 0.69 is twice as long, -0.69 half; NULL: not accepted.';
COMMENT ON COLUMN analytics.estimate.within_p50 IS 'Whether it stayed under its median; NULL: not accepted.';
COMMENT ON COLUMN analytics.estimate.within_p80 IS 'Whether it stayed under p80_seconds; NULL: not accepted.';
COMMENT ON COLUMN analytics.estimate.within_p95 IS 'Whether it stayed under p95_seconds; NULL: not accepted.';
COMMENT ON COLUMN analytics.estimate.worker_id IS 'Who had it last; NULL: nobody.';
COMMENT ON COLUMN analytics.estimate.attempts IS 'How often it was claimed.';
COMMENT ON COLUMN analytics.estimate.ended_at IS 'When it was accepted; NULL: it was not.';
