-- One row per attempt: what was to be done by whom, how it ended, and where its time and money went.

CREATE VIEW analytics.attempt AS
SELECT
    history.task_id,
    history.subtask,
    history.lease_epoch AS attempt,
    history.phase,
    coalesce(subtask.title, '') AS title,
    coalesce(plan.domain, '') AS domain,
    coalesce(plan.category, '') AS category,
    history.worker_id,
    history.repository,
    history.tool,
    to_jsonb(history.codes) AS codes,
    history.files,
    history.problems,
    history.outcome,
    history.censored,
    history.estimated_seconds,
    history.estimated_p80_seconds,
    history.estimated_p95_seconds,
    history.queued_seconds,
    history.starting_seconds,
    history.active_seconds,
    history.blocked_seconds,
    history.judged_seconds,
    history.gate_seconds,
    -- A clock that was set back must not give time back.
    CASE WHEN history.ended_at IS NOT NULL
        THEN greatest(extract(epoch FROM history.ended_at - history.claimed_at), 0)::float8
    END AS held_seconds,
    -- What is left of the hold: nobody knows what happened then.
    CASE WHEN history.ended_at IS NOT NULL
        THEN greatest(
            extract(epoch FROM history.ended_at - history.claimed_at)::float8 - coalesce(history.starting_seconds, 0)
                - history.active_seconds - history.blocked_seconds - coalesce(history.judged_seconds, 0),
            0
        )
    END AS lost_seconds,
    history.cpu_seconds,
    history.model,
    history.tokens_in,
    history.tokens_out,
    history.cost,
    history.claimed_at,
    history.started_at,
    history.reported_at,
    history.ended_at
FROM projection.history
LEFT JOIN projection.plan USING (task_id, subtask)
LEFT JOIN projection.subtask USING (task_id, subtask);

COMMENT ON VIEW analytics.attempt IS
    'One row per attempt: who was to do what, how it ended, where time and money went. By the read models.';
COMMENT ON COLUMN analytics.attempt.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.attempt.subtask IS 'Number of the subtask within its task.';
COMMENT ON COLUMN analytics.attempt.attempt IS 'The lease''s epoch: 1, 2, 3 ... within the subtask.';
COMMENT ON COLUMN analytics.attempt.phase IS 'Round in which the subtask was planned.';
COMMENT ON COLUMN analytics.attempt.title IS 'Of the subtask.';
COMMENT ON COLUMN analytics.attempt.domain IS
    'What kind of trouble most of its codes are: imports, types, formatting. Empty where nothing is known of them.';
COMMENT ON COLUMN analytics.attempt.category IS
    'The kind of work, by which efforts are compared; empty where an early release has planned it.';
COMMENT ON COLUMN analytics.attempt.worker_id IS 'Who held the subtask.';
COMMENT ON COLUMN analytics.attempt.repository IS 'Path of the task''s tree; empty where there is none.';
COMMENT ON COLUMN analytics.attempt.tool IS 'The tool that found the problems.';
COMMENT ON COLUMN analytics.attempt.codes IS 'The problem codes of the subtask, a list of texts.';
COMMENT ON COLUMN analytics.attempt.files IS 'How many files the subtask has.';
COMMENT ON COLUMN analytics.attempt.problems IS 'How many problems the subtask has.';
COMMENT ON COLUMN analytics.attempt.outcome IS
    'While it lasts its status; then accepted, rejected, failed, lost, timed_out, released, parked, held or split.';
COMMENT ON COLUMN analytics.attempt.censored IS
    'Nobody knows how long the work would have taken: at least as long as it did.';
COMMENT ON COLUMN analytics.attempt.estimated_seconds IS 'Median of the estimate that the subtask was planned with.';
COMMENT ON COLUMN analytics.attempt.estimated_p80_seconds IS 'What four in five such subtasks should stay under.';
COMMENT ON COLUMN analytics.attempt.estimated_p95_seconds IS 'What nineteen in twenty should stay under.';
COMMENT ON COLUMN analytics.attempt.queued_seconds IS 'From being ready to the claim; no worker''s time.';
COMMENT ON COLUMN analytics.attempt.starting_seconds IS
    'From the claim to the worker''s first word; NULL: there was none.';
COMMENT ON COLUMN analytics.attempt.active_seconds IS
    'From the worker''s first word to its last, without blocked time; 0 until the attempt has ended.';
COMMENT ON COLUMN analytics.attempt.blocked_seconds IS 'Time in which the worker was blocked; 0 until then, too.';
COMMENT ON COLUMN analytics.attempt.judged_seconds IS 'From its completion to the verdict; NULL: there was none.';
COMMENT ON COLUMN analytics.attempt.gate_seconds IS 'What its gates said that they took.';
COMMENT ON COLUMN analytics.attempt.held_seconds IS 'From the claim to the end of the attempt; NULL: it is not over.';
COMMENT ON COLUMN analytics.attempt.lost_seconds IS
    'Held without a sign of life: what starting, active, blocked and judged time leave of it; NULL: it is not over.';
COMMENT ON COLUMN analytics.attempt.cpu_seconds IS 'Processor time, where the worker said it; NULL: unknown.';
COMMENT ON COLUMN analytics.attempt.model IS 'Language model, where the worker said it; NULL: unknown.';
COMMENT ON COLUMN analytics.attempt.tokens_in IS 'Tokens read, where the worker said it; NULL: unknown.';
COMMENT ON COLUMN analytics.attempt.tokens_out IS 'Tokens written, where the worker said it; NULL: unknown.';
COMMENT ON COLUMN analytics.attempt.cost IS 'In US dollars, where the worker said it; NULL: unknown.';
COMMENT ON COLUMN analytics.attempt.claimed_at IS 'When the worker was given the subtask.';
COMMENT ON COLUMN analytics.attempt.started_at IS 'When it was first heard of; NULL: never.';
COMMENT ON COLUMN analytics.attempt.reported_at IS 'When it said to be done; NULL: it did not.';
COMMENT ON COLUMN analytics.attempt.ended_at IS 'NULL: it is not over.';
