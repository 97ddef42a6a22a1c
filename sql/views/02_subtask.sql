-- One row per subtask: what it is, how it stands, what it took.
--
-- From the read model where that has all of a task; else from the ledger itself, by an independent fold of the task's
-- events in SQL, whose states are those of domain/task_state.py. So it always tells how things are now, and is quick
-- where read models are kept.

CREATE VIEW analytics.subtask AS
WITH behind AS (
    SELECT DISTINCT task_id
    FROM ledger.event
    WHERE position > (SELECT position FROM projection.build WHERE name = 'subtask' AND status = 'live')
        -- Always so: a range with a bound that is not known is taken for a short one, and looked up in the index.
        AND position < 9223372036854775807
)

SELECT
    task_id,
    subtask,
    phase,
    status,
    title,
    reason,
    problems,
    files,
    CASE WHEN status IN ('claimed', 'running', 'blocked', 'reported', 'accepted')
        THEN coalesce(worker_id, last_worker)
    END AS worker_id,
    attempts,
    failures,
    losses,
    estimated_seconds,
    worker_seconds,
    fraction,
    cost,
    changed_at
FROM projection.subtask
-- Where the read model has everything, which is soon found out, no task has to be looked up.
WHERE CASE
    WHEN (SELECT max(position) FROM ledger.event)
        > (SELECT position FROM projection.build WHERE name = 'subtask' AND status = 'live')
    THEN NOT EXISTS (
        SELECT FROM ledger.event
        WHERE event.task_id = subtask.task_id
            AND event.position > (SELECT position FROM projection.build WHERE name = 'subtask' AND status = 'live')
    )
    ELSE true
END
UNION ALL
SELECT
    -- By this the planner knows whose events to look for.
    behind.task_id,
    folded.subtask,
    folded.phase,
    folded.status,
    folded.title,
    folded.reason,
    folded.problems,
    folded.files,
    folded.worker_id,
    folded.attempts,
    folded.failures,
    folded.losses,
    folded.estimated_seconds,
    folded.worker_seconds,
    folded.fraction,
    folded.cost,
    folded.changed_at
FROM behind
CROSS JOIN LATERAL (
    WITH planned AS (
        SELECT task_id, stream_id, payload
        FROM ledger.event
        WHERE task_id = behind.task_id AND type = 'subtask_planned'
    ),

    -- The last event that decides the state, but for answers.
    latest AS MATERIALIZED (
        SELECT DISTINCT ON (task_id, stream_id)
            task_id,
            stream_id,
            version,
            CASE type
                WHEN 'subtask_planned' THEN 'planned'
                WHEN 'subtask_ready' THEN 'ready'
                WHEN 'subtask_claimed' THEN 'claimed'
                WHEN 'started' THEN 'running'
                WHEN 'progress' THEN 'running'
                WHEN 'blocked' THEN 'blocked'
                WHEN 'completed' THEN 'reported'
                WHEN 'subtask_accepted' THEN 'accepted'
                WHEN 'subtask_held' THEN 'held'
                WHEN 'subtask_split' THEN 'split'
                WHEN 'subtask_released' THEN CASE WHEN payload @> '{"parked": true}' THEN 'parked' ELSE 'planned' END
                ELSE 'planned'
            END AS status,
            worker_id
        FROM ledger.event
        WHERE task_id = behind.task_id AND type IN (
            'subtask_planned', 'subtask_ready', 'subtask_claimed', 'started', 'progress', 'blocked', 'completed',
            'failed', 'lease_expired', 'subtask_released', 'subtask_rejected', 'subtask_accepted', 'subtask_held',
            'subtask_split'
        )
        ORDER BY task_id, stream_id, version DESC
    ),

    -- The last answer, where it was the last that was waited for.
    answered AS MATERIALIZED (
        SELECT
            task_id,
            stream_id,
            max(version) FILTER (WHERE type = 'blocker_answered') AS version
        FROM ledger.event
        WHERE task_id = behind.task_id AND type IN ('blocker_opened', 'blocker_answered')
        GROUP BY task_id, stream_id
        HAVING count(DISTINCT payload ->> 'number') FILTER (WHERE type = 'blocker_opened')
            = count(DISTINCT payload ->> 'number') FILTER (WHERE type = 'blocker_answered')
    ),

    present AS (
        SELECT
            latest.task_id,
            latest.stream_id,
            CASE
                WHEN answered.version IS NULL THEN latest.status
                WHEN latest.status = 'blocked' THEN 'running'
                WHEN latest.status = 'parked' THEN 'planned'
                ELSE latest.status
            END AS status,
            latest.worker_id
        FROM latest
        LEFT JOIN answered
            ON answered.task_id = latest.task_id AND answered.stream_id = latest.stream_id
            AND answered.version > latest.version
    ),

    -- A worker whose lease ran out may come back: each time that it does, another stretch of its attempt begins.
    heard AS (
        SELECT
            task_id,
            stream_id,
            version,
            type,
            lease_epoch,
            occurred_at,
            payload,
            type = 'lease_expired' AS expired,
            -- It was there, and did not get on.
            type = 'lease_expired' AND coalesce(payload ->> 'clock', '') IN ('progress', 'deadline') AS did_not_move,
            count(*) FILTER (WHERE type = 'lease_expired') OVER (
                PARTITION BY task_id, stream_id, lease_epoch
                ORDER BY version
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS stretch
        FROM ledger.event
        WHERE task_id = behind.task_id AND lease_epoch IS NOT NULL AND type <> 'late_reported'
    ),

    -- One row per stretch: from the worker's first word to its last.
    stretch AS (
        SELECT
            task_id,
            stream_id,
            lease_epoch,
            stretch,
            min(occurred_at) FILTER (WHERE type IN ('started', 'progress', 'blocked')) AS started_at,
            -- Nobody knows when a lost worker stopped: it counts up to its last word.
            CASE WHEN bool_or(expired AND NOT did_not_move) AND NOT bool_or(type = 'completed')
                THEN max(occurred_at) FILTER (WHERE type IN ('started', 'progress', 'blocked'))
                ELSE min(occurred_at)
                    FILTER (WHERE type IN ('completed', 'failed', 'subtask_released') OR did_not_move)
            END AS ended_at,
            bool_or(type = 'subtask_claimed') AS claimed,
            bool_or(type IN ('failed', 'subtask_rejected') OR did_not_move) AS failed,
            -- A coordinator that was killed says nothing about the subtask.
            bool_or(expired AND NOT did_not_move AND NOT coalesce((payload ->> 'coordinator_gone')::boolean, false))
                AS lost,
            (array_agg(
                coalesce((payload ->> 'completed')::numeric / nullif((payload ->> 'total')::numeric, 0), 0)
                ORDER BY version DESC
            ) FILTER (WHERE type = 'progress'))[1] AS fraction
        FROM heard
        GROUP BY task_id, stream_id, lease_epoch, stretch
    ),

    effort AS MATERIALIZED (
        SELECT
            task_id,
            stream_id,
            count(*) FILTER (WHERE claimed) AS attempts,
            count(*) FILTER (WHERE failed) AS failures,
            count(*) FILTER (WHERE lost) AS losses,
            -- A clock that was set back must not give time back.
            coalesce(sum(greatest(extract(epoch FROM ended_at - started_at), 0)), 0) AS worker_seconds,
            -- Of the last stretch.
            (array_agg(fraction ORDER BY lease_epoch DESC, stretch DESC))[1] AS fraction
        FROM stretch
        GROUP BY task_id, stream_id
    ),

    -- A worker says what its attempt has cost since it began.
    cost AS MATERIALIZED (
        SELECT task_id, stream_id, sum(attempt_cost) AS cost
        FROM (
            SELECT DISTINCT ON (task_id, stream_id, lease_epoch)
                task_id, stream_id, (payload #>> '{usage,cost}')::float8 AS attempt_cost
            FROM ledger.event
            WHERE task_id = behind.task_id AND type IN ('started', 'progress', 'blocked', 'completed', 'failed')
                AND payload #>> '{usage,cost}' IS NOT NULL
            ORDER BY task_id, stream_id, lease_epoch, version DESC
        ) AS last_word
        GROUP BY task_id, stream_id
    )

    SELECT
        planned.task_id,
        split_part(planned.stream_id, '.', 2)::integer AS subtask,
        (planned.payload ->> 'phase')::integer AS phase,
        present.status,
        planned.payload ->> 'title' AS title,
        planned.payload ->> 'reason' AS reason,
        jsonb_array_length(planned.payload -> 'problems') AS problems,
        jsonb_array_length(planned.payload #> '{scope,files}') AS files,
        CASE WHEN present.status IN ('claimed', 'running', 'blocked', 'reported', 'accepted')
            THEN present.worker_id
        END AS worker_id,
        coalesce(effort.attempts, 0)::integer AS attempts,
        coalesce(effort.failures, 0)::integer AS failures,
        coalesce(effort.losses, 0)::integer AS losses,
        (planned.payload #>> '{effort,p50}')::float8 AS estimated_seconds,
        round(coalesce(effort.worker_seconds, 0), 3)::float8 AS worker_seconds,
        CASE
            WHEN present.status = 'accepted' THEN 1.0
            WHEN present.status = 'reported' THEN 0.99
            WHEN present.status IN ('running', 'blocked') THEN least(coalesce(effort.fraction, 0), 0.99)
            ELSE 0.0
        END::float8 AS fraction,
        cost.cost,
        last.occurred_at AS changed_at
    FROM planned
    JOIN present USING (task_id, stream_id)
    LEFT JOIN effort USING (task_id, stream_id)
    LEFT JOIN cost USING (task_id, stream_id)
    CROSS JOIN LATERAL (
        SELECT occurred_at
        FROM ledger.event
        WHERE event.task_id = planned.task_id AND event.stream_id = planned.stream_id
        ORDER BY version DESC
        LIMIT 1
    ) AS last
) AS folded;

COMMENT ON VIEW analytics.subtask IS 'One row per subtask: what it is, how it stands, what it took.';
COMMENT ON COLUMN analytics.subtask.status IS
    'planned, ready, claimed, running, blocked, reported, parked, accepted, held, or split into others.';
COMMENT ON COLUMN analytics.subtask.failures IS 'Attempts that failed, did not get on, or whose work was refused.';
COMMENT ON COLUMN analytics.subtask.losses IS 'How often a worker was lost; that says nothing about the subtask.';
COMMENT ON COLUMN analytics.subtask.estimated_seconds IS 'Median of the estimate that it was planned with.';
COMMENT ON COLUMN analytics.subtask.worker_seconds IS 'From the worker''s first word to its last, over all attempts.';
COMMENT ON COLUMN analytics.subtask.fraction IS 'Share that is done, 0 to 1; 0.99 until the gates have decided.';
COMMENT ON COLUMN analytics.subtask.cost IS 'In US dollars, over all attempts that said it; NULL: unknown.';
COMMENT ON COLUMN analytics.subtask.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.subtask.subtask IS 'Number of the subtask within its task.';
COMMENT ON COLUMN analytics.subtask.phase IS 'Round in which it was planned.';
COMMENT ON COLUMN analytics.subtask.title IS 'What it is, in a few words.';
COMMENT ON COLUMN analytics.subtask.reason IS 'Why its problems are one subtask, in words.';
COMMENT ON COLUMN analytics.subtask.problems IS 'How many problems it has.';
COMMENT ON COLUMN analytics.subtask.files IS 'How many files it has.';
COMMENT ON COLUMN analytics.subtask.worker_id IS 'Who holds it, or did the work that was taken; NULL: nobody.';
COMMENT ON COLUMN analytics.subtask.attempts IS 'How often it was claimed.';
COMMENT ON COLUMN analytics.subtask.changed_at IS 'When anything last happened to it.';
