-- One row for each worker that a task has seen: what it did there, and how that ended.

CREATE VIEW analytics.worker AS
SELECT
    task_id,
    worker_id,
    subtask,
    live,
    claims,
    reports,
    accepted,
    rejected,
    failed,
    lost,
    timed_out,
    released,
    parked,
    late_reports,
    reviews,
    worked_seconds,
    blocked_seconds,
    cost,
    tokens_in,
    tokens_out,
    first_seen_at,
    last_seen_at
FROM projection.worker;

COMMENT ON VIEW analytics.worker IS
    'One row for each worker that a task has seen: what it did there, and how that ended. By the read models.';
COMMENT ON COLUMN analytics.worker.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.worker.worker_id IS 'Name of the worker.';
COMMENT ON COLUMN analytics.worker.subtask IS 'Number of what it took up last of what it holds; NULL: nothing.';
COMMENT ON COLUMN analytics.worker.live IS 'How many subtasks it holds.';
COMMENT ON COLUMN analytics.worker.claims IS 'How many it was given.';
COMMENT ON COLUMN analytics.worker.reports IS 'How often it said to be done.';
COMMENT ON COLUMN analytics.worker.accepted IS 'Attempts whose work was taken.';
COMMENT ON COLUMN analytics.worker.rejected IS 'Attempts whose work was refused.';
COMMENT ON COLUMN analytics.worker.failed IS 'Attempts that it said had failed.';
COMMENT ON COLUMN analytics.worker.lost IS 'How often it was lost.';
COMMENT ON COLUMN analytics.worker.timed_out IS 'Attempts that did not get on, or took too long.';
COMMENT ON COLUMN analytics.worker.released IS 'Attempts that were handed back.';
COMMENT ON COLUMN analytics.worker.parked IS 'Attempts that were handed back until a blocker is answered.';
COMMENT ON COLUMN analytics.worker.late_reports IS 'What it said when its lease was over for good.';
COMMENT ON COLUMN analytics.worker.reviews IS 'How often it has judged others'' work.';
COMMENT ON COLUMN analytics.worker.worked_seconds IS
    'From its first word to its last, over all attempts that have ended.';
COMMENT ON COLUMN analytics.worker.blocked_seconds IS 'Of it what was blocked.';
COMMENT ON COLUMN analytics.worker.cost IS 'In US dollars, where it said it; NULL: unknown.';
COMMENT ON COLUMN analytics.worker.tokens_in IS 'Tokens read, where it said it; NULL: unknown.';
COMMENT ON COLUMN analytics.worker.tokens_out IS 'Tokens written, where it said it; NULL: unknown.';
COMMENT ON COLUMN analytics.worker.first_seen_at IS 'When the task first saw it.';
COMMENT ON COLUMN analytics.worker.last_seen_at IS 'When it last said something.';
