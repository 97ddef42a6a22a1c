-- One row per problem of a task, and its life: how it came, how often it was back, whether it is gone.

CREATE VIEW analytics.problem AS
SELECT
    task_id,
    problem,
    tool,
    code,
    domain,
    severity,
    path,
    line,
    symbol,
    subject,
    message,
    fingerprint,
    came_as,
    status,
    regressions,
    moves,
    hidden_by,
    first_seen,
    last_seen,
    first_seen_at,
    last_seen_at,
    resolved_at,
    (subtasks ->> -1)::integer AS subtask,
    subtasks,
    course
FROM projection.problem_life;

COMMENT ON VIEW analytics.problem IS
    'One row per problem of a task, and its life from one observation to the next. By the read models.';
COMMENT ON COLUMN analytics.problem.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.problem.problem IS
    '1, 2, 3 ... within the task, in the order in which problems were first seen.';
COMMENT ON COLUMN analytics.problem.tool IS 'The tool that found it.';
COMMENT ON COLUMN analytics.problem.code IS 'The tool''s own code; empty where it gives none.';
COMMENT ON COLUMN analytics.problem.domain IS 'What kind of trouble it is: imports, types, formatting.';
COMMENT ON COLUMN analytics.problem.severity IS 'error, warning or note.';
COMMENT ON COLUMN analytics.problem.path IS 'Its file, as it was last seen; empty where the tool named none.';
COMMENT ON COLUMN analytics.problem.line IS 'Its line, from 1, as it was last seen; NULL: the tool named none.';
COMMENT ON COLUMN analytics.problem.symbol IS 'Function, class or test around it, where that is known; else empty.';
COMMENT ON COLUMN analytics.problem.subject IS 'The name that it is about, where there is one; else empty.';
COMMENT ON COLUMN analytics.problem.message IS 'First line of the tool''s message, at most 300 characters.';
COMMENT ON COLUMN analytics.problem.fingerprint IS
    'Its identity without line numbers; problems that are alike share it.';
COMMENT ON COLUMN analytics.problem.came_as IS 'new, or unmasked: new because what may have hidden it is gone.';
COMMENT ON COLUMN analytics.problem.status IS
    'By the last observation: new, persisting, moved, unmasked, regressed (back after it was gone), or resolved.';
COMMENT ON COLUMN analytics.problem.regressions IS 'How often it was back after it was gone.';
COMMENT ON COLUMN analytics.problem.moves IS 'How often its file was another one than before.';
COMMENT ON COLUMN analytics.problem.hidden_by IS 'Number of the problem that may have hidden it; NULL: of none.';
COMMENT ON COLUMN analytics.problem.first_seen IS 'Number of the first observation that shows it, from 1.';
COMMENT ON COLUMN analytics.problem.last_seen IS 'Number of the last observation that shows it.';
COMMENT ON COLUMN analytics.problem.first_seen_at IS 'When that first observation was.';
COMMENT ON COLUMN analytics.problem.last_seen_at IS 'When that last observation was.';
COMMENT ON COLUMN analytics.problem.resolved_at IS 'When it was seen to be gone; NULL: it is there.';
COMMENT ON COLUMN analytics.problem.subtask IS 'Number of the subtask that was last to remove it; NULL: of none.';
COMMENT ON COLUMN analytics.problem.subtasks IS 'Numbers of all that were, a list.';
COMMENT ON COLUMN analytics.problem.course IS
    'Each observation in which something happened to it, a list of objects: observation, phase, at, what.';
