-- How much faster was it than one worker?
--
-- measured is what happened: the active time of all attempts, which one worker alone would have needed, over the
-- wall time, with the most workers that were at work at once. ideal is the least that so many workers can need for
-- the same work: all of it divided among them, and never less than the longest chain of dependencies of each round,
-- waiting for answers left out. Nobody can be faster; what lies between the two is waiting, checking and uneven loads.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/10_how_much_faster_was_it.sql

WITH RECURSIVE task AS (
    SELECT workers_at_once_max, wall_seconds, active_seconds, speedup
    FROM analytics.task
    WHERE task_id = :'task' AND workers_at_once_max > 0
),

-- In the order in which they were first claimed, so that whatever one depends on comes before it.
job AS MATERIALIZED (
    SELECT
        work.subtask,
        work.phase,
        work.seconds,
        plan.depends_on,
        row_number() OVER (ORDER BY work.phase, work.claimed_at, work.subtask)::integer AS place
    FROM (
        SELECT subtask, phase, sum(active_seconds) AS seconds, min(claimed_at) AS claimed_at
        FROM analytics.attempt
        WHERE task_id = :'task'
        GROUP BY subtask, phase
    ) AS work
    JOIN projection.plan ON plan.task_id = :'task' AND plan.subtask = work.subtask
),

-- One job more with each step: how long the longest chain that ends with it takes.
chain AS (
    SELECT 0 AS place, '{}'::float8[] AS ends
    UNION ALL
    SELECT job.place, chain.ends || job.seconds + coalesce(
        (
            SELECT max(chain.ends[earlier.place])
            FROM job AS earlier
            WHERE earlier.place < job.place AND earlier.phase = job.phase
                AND earlier.subtask = ANY (job.depends_on)
        ),
        0
    )
    FROM chain
    JOIN job ON job.place = chain.place + 1
),

-- A round begins when the one before is over.
longest AS (
    SELECT sum(of_phase) AS seconds
    FROM (
        SELECT max(chain.ends[job.place]) AS of_phase
        FROM (SELECT ends FROM chain ORDER BY place DESC LIMIT 1) AS chain
        JOIN job ON true
        GROUP BY job.phase
    ) AS phases
),

ideal AS (
    SELECT
        workers,
        task.active_seconds,
        greatest(task.active_seconds / workers, longest.seconds) AS makespan_seconds
    FROM task
    CROSS JOIN longest
    CROSS JOIN LATERAL generate_series(1, greatest(2 * task.workers_at_once_max, 8)) AS workers
)

SELECT workers_at_once_max AS workers, 'measured' AS kind, wall_seconds AS makespan_seconds, speedup
FROM task
UNION ALL
SELECT workers, 'ideal', makespan_seconds, active_seconds / nullif(makespan_seconds, 0)
FROM ideal
ORDER BY kind DESC, workers
