-- What was foretold, when, what has come, and how good it was.

CREATE VIEW analytics.forecast AS
SELECT
    task_id,
    kind,
    phase,
    subtask,
    number,
    workers,
    worker_id,
    category,
    basis,
    model_position,
    made_at,
    p50_seconds,
    p80_seconds,
    p95_seconds,
    actual_seconds,
    came_at,
    log_ratio,
    pinball80,
    hit80,
    hit95
FROM projection.forecast;

COMMENT ON VIEW analytics.forecast IS
    'What was foretold and what has come: efforts of subtasks, lengths of rounds. By the read models.';
COMMENT ON COLUMN analytics.forecast.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.forecast.kind IS
    'plan: a subtask''s effort; start: the same when its worker was known; phase: a round''s length; task: its rest.';
COMMENT ON COLUMN analytics.forecast.phase IS 'The round.';
COMMENT ON COLUMN analytics.forecast.subtask IS 'Number of the subtask; 0: the whole round.';
COMMENT ON COLUMN analytics.forecast.number IS
    'The attempt, of the kind start; 1, 2, 3 ... within the round, of the kind task; else 0.';
COMMENT ON COLUMN analytics.forecast.workers IS
    'The number of workers that the length was simulated with; 0: an effort.';
COMMENT ON COLUMN analytics.forecast.worker_id IS 'Who was to do it; NULL: that was not known.';
COMMENT ON COLUMN analytics.forecast.category IS
    'The kind of work, by which efforts are compared; empty for rounds, and where an early release has planned it.';
COMMENT ON COLUMN analytics.forecast.basis IS 'What it rests on, in words.';
COMMENT ON COLUMN analytics.forecast.model_position IS
    'How far the effort model had learnt the ledger; NULL: none was asked.';
COMMENT ON COLUMN analytics.forecast.made_at IS 'When it was made.';
COMMENT ON COLUMN analytics.forecast.p50_seconds IS 'As likely to be shorter as to be longer.';
COMMENT ON COLUMN analytics.forecast.p80_seconds IS 'Four in five stay under it; NULL: not said.';
COMMENT ON COLUMN analytics.forecast.p95_seconds IS 'Nineteen in twenty stay under it; NULL: not said.';
COMMENT ON COLUMN analytics.forecast.actual_seconds IS
    'Time of the accepted attempt; wall time of the round, or of its rest. NULL: not over, or with other workers.';
COMMENT ON COLUMN analytics.forecast.came_at IS 'When that was known; NULL: not yet.';
COMMENT ON COLUMN analytics.forecast.log_ratio IS
    'Natural logarithm of actual over p50: 0.69 took twice as long, -0.69 half; NULL: not known.';
COMMENT ON COLUMN analytics.forecast.pinball80 IS
    'Pinball loss of p80, in seconds: its mean is least for the true p80; NULL: not known.';
COMMENT ON COLUMN analytics.forecast.hit80 IS 'Whether it took no longer than p80; NULL: not known.';
COMMENT ON COLUMN analytics.forecast.hit95 IS 'Whether it took no longer than p95; NULL: not known.';
