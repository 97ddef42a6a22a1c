-- How did what is left go down, and what was foretold?
--
-- One row for each moment at which what is left has changed: subtasks, their estimated effort, problems by the
-- last observation. Beside it the forecast that was the newest then, as it was: when it was made, and when the
-- round would end. A forecast is good where the burn-down reaches 0 about as often before as after its p50, and
-- before its p80 four times in five.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/17_burndown.sql

SELECT
    burndown.at,
    burndown.subtasks_left,
    burndown.weight_left_seconds,
    burndown.problems,
    forecast.made_at AS forecast_made_at,
    forecast.made_at + make_interval(secs => forecast.p50_seconds) AS forecast_p50_end,
    forecast.made_at + make_interval(secs => forecast.p80_seconds) AS forecast_p80_end,
    forecast.made_at + make_interval(secs => forecast.p95_seconds) AS forecast_p95_end,
    burndown.phase,
    burndown.event
FROM analytics.burndown
LEFT JOIN analytics.task USING (task_id)
LEFT JOIN LATERAL (
    SELECT made_at, p50_seconds, p80_seconds, p95_seconds
    FROM analytics.forecast
    WHERE forecast.task_id = :'task' AND forecast.phase = burndown.phase AND forecast.subtask = 0
        AND forecast.made_at <= burndown.at
    -- Of lengths for several numbers of workers, that for the number that came closest to what there was.
    ORDER BY forecast.made_at DESC, abs(forecast.workers - task.workers_at_once_max), forecast.workers
    LIMIT 1
) AS forecast ON true
WHERE burndown.task_id = :'task'
ORDER BY burndown.position
