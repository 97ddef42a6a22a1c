-- Where did the time go?
--
-- Worker time by what it went into: active is work, blocked and lost are work that could not go on, starting and
-- judged are what handing out and checking took, idle is a worker without a subtask, from its first claim to the
-- end of the last attempt. in_vain_seconds is what of it belongs to attempts that came to nothing. share is of all
-- worker time; queued is no worker's time (subtasks that were ready and lay there) and has none. Attempts that are
-- under way are not counted, nor is time in which nobody ran the task.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/01_where_did_the_time_go.sql

WITH attempt AS (
    SELECT
        attempt.worker_id, attempt.claimed_at, attempt.ended_at, attempt.outcome <> 'accepted' AS in_vain,
        attempt.active_seconds, attempt.blocked_seconds, attempt.judged_seconds, attempt.starting_seconds,
        attended.lost_seconds, attended.queued_seconds
    FROM analytics.attempt
    JOIN analytics.attended USING (task_id, subtask, attempt)
    WHERE attempt.task_id = :'task' AND attempt.ended_at IS NOT NULL
),

away AS (
    SELECT coalesce(range_agg(tstzrange(from_at, to_at)), '{}') AS spans
    FROM analytics.unattended
    WHERE task_id = :'task'
),

-- Whoever holds two subtasks at once is busy once.
presence AS (
    SELECT
        min(claimed_at) AS since,
        range_agg(tstzrange(claimed_at, greatest(ended_at, claimed_at))) AS busy
    FROM attempt
    GROUP BY worker_id
),

idle AS (
    SELECT coalesce(sum(extract(epoch FROM upper(span) - lower(span))), 0)::float8 AS seconds
    FROM presence
    CROSS JOIN away
    CROSS JOIN LATERAL unnest(
        -- A clock that was set back must not give time back.
        tstzmultirange(tstzrange(since, greatest(since, (SELECT max(ended_at) FROM attempt)))) - busy - away.spans
    ) AS span
),

part (place, kind, seconds, in_vain_seconds) AS (
    SELECT 1, 'active', sum(active_seconds), sum(active_seconds) FILTER (WHERE in_vain) FROM attempt
    UNION ALL
    SELECT 2, 'blocked', sum(blocked_seconds), sum(blocked_seconds) FILTER (WHERE in_vain) FROM attempt
    UNION ALL
    SELECT 3, 'judged', sum(judged_seconds), sum(judged_seconds) FILTER (WHERE in_vain) FROM attempt
    UNION ALL
    SELECT 4, 'starting', sum(starting_seconds), sum(starting_seconds) FILTER (WHERE in_vain) FROM attempt
    UNION ALL
    SELECT 5, 'lost', sum(lost_seconds), sum(lost_seconds) FILTER (WHERE in_vain) FROM attempt
    UNION ALL
    SELECT 6, 'idle', sum(seconds), NULL FROM idle
    UNION ALL
    SELECT 7, 'queued', sum(queued_seconds), NULL FROM attempt
)

SELECT
    kind,
    round(coalesce(seconds, 0)::numeric, 3)::float8 AS seconds,
    CASE WHEN kind <> 'queued'
        THEN coalesce(seconds, 0) / nullif(sum(seconds) FILTER (WHERE kind <> 'queued') OVER (), 0)
    END AS share,
    round(coalesce(in_vain_seconds, 0)::numeric, 3)::float8 AS in_vain_seconds
FROM part
WHERE EXISTS (SELECT FROM attempt)
ORDER BY place
