-- One row per task: where it stands, in percent by weight, and what was removed so far.

CREATE VIEW analytics.task_progress AS
WITH submitted AS (
    SELECT task_id, occurred_at, payload
    FROM ledger.event
    WHERE type = 'task_submitted'
),

latest AS (
    SELECT DISTINCT ON (task_id)
        task_id,
        CASE type
            WHEN 'task_paused' THEN 'paused'
            WHEN 'task_cancelled' THEN 'cancelled'
            WHEN 'task_stalled' THEN 'stalled'
            WHEN 'task_completed' THEN 'completed'
            ELSE 'running'
        END AS status,
        coalesce(payload ->> 'reason', payload ->> 'summary', '') AS reason
    FROM ledger.event
    WHERE type IN (
        'task_submitted', 'task_paused', 'task_resumed', 'task_cancelled', 'task_stalled', 'task_completed'
    )
    ORDER BY task_id, position DESC
),

observation AS (
    SELECT
        task_id,
        (array_agg((payload ->> 'problems')::integer ORDER BY position))[1] AS problems_before,
        (array_agg((payload ->> 'problems')::integer ORDER BY position DESC))[1] AS problems_now
    FROM ledger.event
    WHERE type = 'problems_observed'
    GROUP BY task_id
),

-- The phase under way: earlier ones are over whatever became of their subtasks.
present AS (
    SELECT task_id, max(phase) AS phase
    FROM analytics.subtask
    GROUP BY task_id
),

work AS (
    SELECT
        subtask.task_id,
        present.phase,
        -- What was split is counted in its parts.
        count(*) FILTER (WHERE subtask.phase = present.phase AND subtask.status <> 'split') AS subtasks,
        count(*) FILTER (WHERE subtask.phase = present.phase AND subtask.status = 'accepted') AS accepted,
        count(*) FILTER (
            WHERE subtask.phase = present.phase
            AND subtask.status IN ('claimed', 'running', 'blocked', 'reported')
        ) AS live,
        count(*) FILTER (WHERE subtask.phase = present.phase AND subtask.status = 'held') AS held,
        sum(subtask.failures) AS failures,
        sum(subtask.losses) AS losses,
        sum(subtask.worker_seconds) AS worker_seconds,
        sum(subtask.cost) AS cost,
        sum(subtask.estimated_seconds * subtask.fraction) FILTER (
            WHERE subtask.phase = present.phase AND subtask.status NOT IN ('held', 'split')
        ) AS weight_done,
        sum(subtask.estimated_seconds) FILTER (
            WHERE subtask.phase = present.phase AND subtask.status NOT IN ('held', 'split')
        ) AS weight
    FROM analytics.subtask
    JOIN present USING (task_id)
    GROUP BY subtask.task_id, present.phase
)

SELECT
    submitted.task_id,
    latest.status,
    coalesce(work.phase, 0) AS phase,
    CASE
        WHEN coalesce(work.subtasks = work.accepted, true) THEN 100.0
        -- However little is left, it is not all.
        ELSE least(round((100 * coalesce(work.weight_done / nullif(work.weight, 0), 0))::numeric, 1), 99.9)
    END::float8 AS percent,
    coalesce(work.subtasks, 0)::integer AS subtasks,
    coalesce(work.accepted, 0)::integer AS accepted,
    coalesce(work.live, 0)::integer AS live,
    coalesce(work.held, 0)::integer AS held,
    coalesce(work.failures, 0)::integer AS failures,
    coalesce(work.losses, 0)::integer AS losses,
    observation.problems_before,
    observation.problems_now,
    coalesce(work.worker_seconds, 0)::float8 AS worker_seconds,
    work.cost,
    submitted.payload ->> 'branch' AS branch,
    submitted.occurred_at AS submitted_at,
    latest.reason
FROM submitted
JOIN latest USING (task_id)
LEFT JOIN observation USING (task_id)
LEFT JOIN work USING (task_id);

COMMENT ON VIEW analytics.task_progress IS 'One row per task; the counts are those of its present phase.';
COMMENT ON COLUMN analytics.task_progress.percent IS 'Of the present phase, by estimated effort, held subtasks aside.';
COMMENT ON COLUMN analytics.task_progress.cost IS
    'In US dollars, over all attempts of all phases that said it; NULL: unknown.';
COMMENT ON COLUMN analytics.task_progress.problems_now IS 'By the last observation; work since is not in it.';
