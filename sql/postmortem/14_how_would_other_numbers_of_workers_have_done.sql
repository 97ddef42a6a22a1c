-- How would other numbers of workers have done?
--
-- The recorded work again on other numbers of workers: each subtask takes the active time of all its attempts,
-- subtasks are handed out in the recorded order to whoever is free first, wait for what they depend on and for
-- files that an earlier one holds, and a round begins when the one before is over. Waiting for answers, checks and
-- queues is left out, so that the figures compare with each other rather than with the clock. utilisation is the
-- share of the workers' time that is work.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/14_how_would_other_numbers_of_workers_have_done.sql

WITH RECURSIVE job AS MATERIALIZED (
    SELECT
        work.subtask,
        work.phase,
        work.seconds,
        plan.files,
        plan.depends_on,
        row_number() OVER (ORDER BY work.phase, work.claimed_at, work.subtask)::integer AS place
    FROM (
        SELECT subtask, phase, sum(active_seconds) AS seconds, min(claimed_at) AS claimed_at
        FROM analytics.attempt
        WHERE task_id = :'task' AND ended_at IS NOT NULL
        GROUP BY subtask, phase
    ) AS work
    JOIN projection.plan ON plan.task_id = :'task' AND plan.subtask = work.subtask
),

-- Places of the jobs that must be over before.
bound AS MATERIALIZED (
    SELECT job.place, job.phase, job.seconds, coalesce(array_agg(earlier.place), '{}') AS after
    FROM job
    LEFT JOIN job AS earlier
        ON earlier.place < job.place AND earlier.phase = job.phase
        AND (earlier.subtask = ANY (job.depends_on) OR earlier.files && job.files)
    GROUP BY job.place, job.phase, job.seconds
),

-- One job more with each step: when each worker is free again, and when each job is over.
run AS (
    SELECT workers, 0 AS place, 0 AS phase, array_fill(0::float8, ARRAY[workers]) AS free, '{}'::float8[] AS ends
    FROM (
        SELECT unnest(ARRAY[1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 48, 64]) AS workers
        UNION SELECT workers_at_once_max FROM analytics.task WHERE task_id = :'task' AND workers_at_once_max > 0
    ) AS tried
    WHERE EXISTS (SELECT FROM job)
    UNION ALL
    SELECT run.workers, bound.place, bound.phase, taken.free, run.ends || taken.over
    FROM run
    JOIN bound ON bound.place = run.place + 1
    CROSS JOIN LATERAL (
        SELECT min(moment) AS earliest, max(moment) AS latest
        FROM unnest(run.free) AS moment
    ) AS worker
    CROSS JOIN LATERAL (
        SELECT
            array_position(run.free, worker.earliest) AS chosen,
            greatest(
                worker.earliest,
                (SELECT max(run.ends[other]) FROM unnest(bound.after) AS other),
                CASE WHEN bound.phase > run.phase THEN worker.latest END
            ) + bound.seconds AS over
    ) AS turn
    CROSS JOIN LATERAL (
        SELECT
            turn.over,
            run.free[:turn.chosen - 1] || turn.over || run.free[turn.chosen + 1:] AS free
    ) AS taken
)

SELECT
    run.workers,
    whole.makespan_seconds,
    first_value(whole.makespan_seconds) OVER (ORDER BY run.workers) / nullif(whole.makespan_seconds, 0) AS speedup,
    (SELECT sum(seconds) FROM job) / nullif(run.workers * whole.makespan_seconds, 0) AS utilisation,
    run.workers = (SELECT workers_at_once_max FROM analytics.task WHERE task_id = :'task') AS as_it_was
FROM run
CROSS JOIN LATERAL (SELECT max(over) AS makespan_seconds FROM unnest(run.ends) AS over) AS whole
WHERE run.place = (SELECT max(place) FROM job)
ORDER BY run.workers
