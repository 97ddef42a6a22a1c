-- One row per task: where it stands, in percent by weight, and what was removed so far.
--
-- From the read model where that has all of a task; else from the ledger itself (see analytics.subtask).

CREATE VIEW analytics.task_progress AS
WITH behind AS (
    SELECT DISTINCT task_id
    FROM ledger.event
    WHERE position > (SELECT position FROM projection.build WHERE name = 'progress' AND status = 'live')
        AND position < 9223372036854775807
)

SELECT
    task_id,
    status,
    phase,
    percent,
    subtasks,
    accepted,
    claimed + running + blocked + reported AS live,
    held,
    failures,
    losses,
    problems_before,
    problems_now,
    worker_seconds,
    cost,
    branch,
    submitted_at,
    reason
FROM projection.progress
-- Where the read model has everything, which is soon found out, no task has to be looked up.
WHERE CASE
    WHEN (SELECT max(position) FROM ledger.event)
        > (SELECT position FROM projection.build WHERE name = 'progress' AND status = 'live')
    THEN NOT EXISTS (
        SELECT FROM ledger.event
        WHERE event.task_id = progress.task_id
            AND event.position > (SELECT position FROM projection.build WHERE name = 'progress' AND status = 'live')
    )
    ELSE true
END
UNION ALL
SELECT
    -- By this the planner knows whose events to look for.
    behind.task_id,
    folded.status,
    folded.phase,
    folded.percent,
    folded.subtasks,
    folded.accepted,
    folded.live,
    folded.held,
    folded.failures,
    folded.losses,
    folded.problems_before,
    folded.problems_now,
    folded.worker_seconds,
    folded.cost,
    folded.branch,
    folded.submitted_at,
    folded.reason
FROM behind
CROSS JOIN LATERAL (
    WITH submitted AS (
        SELECT task_id, occurred_at, payload
        FROM ledger.event
        WHERE task_id = behind.task_id AND type = 'task_submitted'
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
        WHERE task_id = behind.task_id AND type IN (
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
        WHERE task_id = behind.task_id AND type = 'problems_observed'
        GROUP BY task_id
    ),

    subtask AS MATERIALIZED (
        SELECT *
        FROM analytics.subtask
        WHERE task_id = behind.task_id
    ),

    -- The phase under way: earlier ones are over whatever became of their subtasks.
    present AS (
        SELECT task_id, max(phase) AS phase
        FROM subtask
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
        FROM subtask
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
    LEFT JOIN work USING (task_id)
) AS folded;

COMMENT ON VIEW analytics.task_progress IS 'One row per task; the counts are those of its present phase.';
COMMENT ON COLUMN analytics.task_progress.percent IS
    'Of the present phase, by estimated effort, held subtasks aside.';
COMMENT ON COLUMN analytics.task_progress.cost IS
    'In US dollars, over all attempts of all phases that said it; NULL: unknown.';
COMMENT ON COLUMN analytics.task_progress.problems_now IS 'By the last observation; work since is not in it.';
COMMENT ON COLUMN analytics.task_progress.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.task_progress.status IS 'running, paused, completed, stalled, cancelled or archived.';
COMMENT ON COLUMN analytics.task_progress.phase IS 'The round under way, or the last one.';
COMMENT ON COLUMN analytics.task_progress.subtasks IS
    'Subtasks of the round; what was split is counted in its parts.';
COMMENT ON COLUMN analytics.task_progress.accepted IS 'Of them those whose work was taken.';
COMMENT ON COLUMN analytics.task_progress.live IS 'Of them those that a worker holds.';
COMMENT ON COLUMN analytics.task_progress.held IS 'Of them those that are not handed out again.';
COMMENT ON COLUMN analytics.task_progress.failures IS
    'Attempts of all rounds that failed, did not get on, or whose work was refused.';
COMMENT ON COLUMN analytics.task_progress.losses IS
    'How often a worker was lost, in all rounds; those that were lost with their coordinator are not counted.';
COMMENT ON COLUMN analytics.task_progress.problems_before IS 'By the first observation; NULL: none yet.';
COMMENT ON COLUMN analytics.task_progress.worker_seconds IS
    'From a worker''s first word to its last, over all attempts that have ended.';
COMMENT ON COLUMN analytics.task_progress.branch IS
    'The git branch that collects accepted work; empty where there is no tree.';
COMMENT ON COLUMN analytics.task_progress.submitted_at IS 'When it came in.';
COMMENT ON COLUMN analytics.task_progress.reason IS 'Why it is paused or has ended, in words; else empty.';
