-- One row for each time that a gate was evaluated; reviews by other workers are gates named review.

CREATE VIEW analytics.gate AS
SELECT
    task_id,
    position,
    subtask,
    lease_epoch AS attempt,
    worker_id,
    gate,
    passed,
    score,
    required,
    blocking,
    detail,
    seconds,
    reviewer,
    evaluated_at
FROM projection.gate;

COMMENT ON VIEW analytics.gate IS
    'One row for each time that a gate was evaluated, reviews by other workers among them. By the read models.';
COMMENT ON COLUMN analytics.gate.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.gate.position IS 'Its place in the ledger.';
COMMENT ON COLUMN analytics.gate.subtask IS 'Number of the subtask within its task.';
COMMENT ON COLUMN analytics.gate.attempt IS 'The attempt that was judged, by its lease''s epoch.';
COMMENT ON COLUMN analytics.gate.worker_id IS 'Whose work was judged.';
COMMENT ON COLUMN analytics.gate.gate IS 'scope, no new problems, effect, command, merge, review, or a user''s own.';
COMMENT ON COLUMN analytics.gate.passed IS 'Whether the work has passed.';
COMMENT ON COLUMN analytics.gate.score IS '0 to 1.';
COMMENT ON COLUMN analytics.gate.required IS 'The score that is asked for, 0 to 1.';
COMMENT ON COLUMN analytics.gate.blocking IS 'Whether work that fails it is refused.';
COMMENT ON COLUMN analytics.gate.detail IS 'What it found, in words.';
COMMENT ON COLUMN analytics.gate.seconds IS 'How long it took, where it said it; else 0.';
COMMENT ON COLUMN analytics.gate.reviewer IS 'Who has judged; NULL: a program.';
COMMENT ON COLUMN analytics.gate.evaluated_at IS 'When.';
