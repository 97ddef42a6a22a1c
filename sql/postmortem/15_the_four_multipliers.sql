-- What of the four multipliers was there?
--
-- Parallel work with agents is said to be 48 times as fast, by 8 x 3 x 0.2 x 0.9, which is 4.32. Each factor as
-- this task shows it: workers that had a subtask at once, how much faster a worker was when it did the same kind
-- of work again, what share of workers' time coordination has left, and what share of the work was taken. Their
-- product, specialisation aside (it has shortened the time that is measured), is the speed-up over one worker who
-- does nothing in vain. source says what a figure rests on; NULL is unknown.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/15_the_four_multipliers.sql

WITH attempt AS (
    SELECT
        attempt.subtask, attempt.worker_id, attempt.domain, attempt.outcome, attempt.claimed_at,
        attempt.estimated_seconds, attempt.active_seconds, attended.held_seconds
    FROM analytics.attempt
    JOIN analytics.attended USING (task_id, subtask, attempt)
    WHERE attempt.task_id = :'task' AND attempt.ended_at IS NOT NULL
),

whole AS (
    SELECT
        sum(held_seconds) AS held,
        sum(active_seconds) AS active,
        sum(active_seconds) FILTER (WHERE outcome = 'accepted') AS taken,
        count(*) AS attempts,
        count(*) FILTER (WHERE outcome = 'accepted') AS accepted
    FROM attempt
),

-- A worker's first attempt in a kind of trouble, and its later ones, beside their estimates.
turn AS (
    SELECT
        worker_id,
        domain,
        ln(active_seconds / estimated_seconds) AS pace,
        row_number() OVER (PARTITION BY worker_id, domain ORDER BY claimed_at, subtask) AS nth
    FROM attempt
    WHERE outcome = 'accepted' AND active_seconds > 0 AND estimated_seconds > 0
),

learnt AS (
    SELECT exp(avg(first_pace - later_pace)) AS factor, count(*) AS pairs
    FROM (
        SELECT avg(pace) FILTER (WHERE nth = 1) AS first_pace, avg(pace) FILTER (WHERE nth > 1) AS later_pace
        FROM turn
        GROUP BY worker_id, domain
        HAVING count(*) > 1
    ) AS pair
),

factor (place, factor, claimed, measured, source) AS (
    SELECT
        1, 'parallelism', 8.0, whole.held / nullif(task.wall_seconds, 0),
        format(
            'workers had subtasks for %s s in %s s of wall time',
            round(whole.held::numeric, 1), round(task.wall_seconds::numeric, 1)
        )
    FROM whole
    JOIN analytics.task ON task.task_id = :'task'
    UNION ALL
    SELECT
        2, 'specialisation', 3.0, learnt.factor,
        CASE WHEN learnt.pairs = 0
            THEN 'unknown: no worker has done the same kind of work twice'
            ELSE format(
                'first against later times beside estimates, for %s pairs of worker and kind of work', learnt.pairs
            )
        END
    FROM learnt
    UNION ALL
    SELECT
        3, 'coordination', 0.2, whole.active / nullif(whole.held, 0),
        format(
            'of %s s with a subtask %s s were work; starting, waiting, checking and silence are the rest',
            round(whole.held::numeric, 1), round(whole.active::numeric, 1)
        )
    FROM whole
    UNION ALL
    SELECT
        4, 'work that was taken', 0.9, coalesce(whole.taken, 0) / nullif(whole.active, 0),
        format('%s of %s attempts were accepted; by active time', whole.accepted, whole.attempts)
    FROM whole
)

SELECT factor, claimed::float8, measured, source
FROM (
    SELECT place, factor, claimed, measured, source
    FROM factor
    UNION ALL
    SELECT
        5,
        'all four',
        4.32,
        exp(sum(ln(nullif(measured, 0))) FILTER (WHERE factor <> 'specialisation')),
        'product of all but specialisation; the story says 48'
    FROM factor
) AS listed
WHERE EXISTS (SELECT FROM attempt)
ORDER BY place
