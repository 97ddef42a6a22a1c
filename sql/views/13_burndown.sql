-- What is left of a task, at each moment at which that has changed.

CREATE VIEW analytics.burndown AS
SELECT
    task_id,
    position,
    at,
    phase,
    event,
    subtasks_left,
    subtasks_accepted,
    subtasks_held,
    live,
    weight_left_seconds,
    weight_accepted_seconds,
    problems
FROM projection.burndown;

COMMENT ON VIEW analytics.burndown IS
    'What is left of a task, at each moment at which that has changed. By the read models.';
COMMENT ON COLUMN analytics.burndown.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.burndown.position IS 'Place in the ledger of the event that has changed it.';
COMMENT ON COLUMN analytics.burndown.at IS 'When that was.';
COMMENT ON COLUMN analytics.burndown.phase IS 'The round under way.';
COMMENT ON COLUMN analytics.burndown.event IS 'Type of that event.';
COMMENT ON COLUMN analytics.burndown.subtasks_left IS 'Neither accepted nor held nor split, of all rounds so far.';
COMMENT ON COLUMN analytics.burndown.subtasks_accepted IS 'Accepted, of all rounds so far.';
COMMENT ON COLUMN analytics.burndown.subtasks_held IS 'Held, of all rounds so far.';
COMMENT ON COLUMN analytics.burndown.live IS 'Of those that are left the ones that a worker holds.';
COMMENT ON COLUMN analytics.burndown.weight_left_seconds IS 'Estimated effort of those that are left.';
COMMENT ON COLUMN analytics.burndown.weight_accepted_seconds IS 'Estimated effort of those that are accepted.';
COMMENT ON COLUMN analytics.burndown.problems IS 'By the last observation; NULL: none yet.';
