-- One row per task: how it stands, what it took, and what working in parallel has gained.

CREATE VIEW analytics.task AS
SELECT
    progress.task_id,
    progress.status,
    progress.reason,
    progress.branch,
    progress.phase,
    progress.percent,
    progress.subtasks,
    progress.accepted,
    progress.held,
    progress.problems_before,
    progress.problems_now,
    progress.failures,
    progress.losses,
    efficiency.workers,
    efficiency.workers_at_once_max,
    efficiency.attempts,
    efficiency.wall_seconds,
    efficiency.worker_seconds,
    efficiency.active_seconds,
    efficiency.blocked_seconds,
    efficiency.gate_seconds,
    efficiency.critical_path_seconds,
    efficiency.utilisation,
    efficiency.coordination_share,
    efficiency.speedup,
    efficiency.speedup_max,
    progress.cost,
    progress.submitted_at,
    progress.changed_at,
    progress.ended_at
FROM projection.progress
LEFT JOIN projection.efficiency USING (task_id);

COMMENT ON VIEW analytics.task IS
    'One row per task: how it stands, what it took, and what working in parallel has gained. By the read models.';
COMMENT ON COLUMN analytics.task.task_id IS 'Name of the task.';
COMMENT ON COLUMN analytics.task.status IS 'running, paused, completed, stalled, cancelled or archived.';
COMMENT ON COLUMN analytics.task.reason IS 'Why it is paused or has ended, in words; else empty.';
COMMENT ON COLUMN analytics.task.branch IS
    'The git branch that collects accepted work; empty where there is no tree.';
COMMENT ON COLUMN analytics.task.phase IS 'The round under way, or the last one.';
COMMENT ON COLUMN analytics.task.percent IS 'Of that round, by estimated effort, held subtasks aside; 0 to 100.';
COMMENT ON COLUMN analytics.task.subtasks IS 'Subtasks of that round; what was split is counted in its parts.';
COMMENT ON COLUMN analytics.task.accepted IS 'Of them those whose work was taken.';
COMMENT ON COLUMN analytics.task.held IS 'Of them those that are not handed out again.';
COMMENT ON COLUMN analytics.task.problems_before IS 'By the first observation; NULL: none yet.';
COMMENT ON COLUMN analytics.task.problems_now IS 'By the last observation; work since is not in it.';
COMMENT ON COLUMN analytics.task.failures IS
    'Attempts of all rounds that failed, did not get on, or whose work was refused.';
COMMENT ON COLUMN analytics.task.losses IS
    'How often a worker was lost, in all rounds; those that were lost with their coordinator are not counted.';
COMMENT ON COLUMN analytics.task.workers IS 'Workers that have claimed anything.';
COMMENT ON COLUMN analytics.task.workers_at_once_max IS 'The most that were at work at once.';
COMMENT ON COLUMN analytics.task.attempts IS 'Claims in all rounds.';
COMMENT ON COLUMN analytics.task.wall_seconds IS
    'From the first to the last event, without the time in which the task was paused or nobody ran it.';
COMMENT ON COLUMN analytics.task.worker_seconds IS
    'From a worker''s first word to its last, over all attempts that have ended.';
COMMENT ON COLUMN analytics.task.active_seconds IS 'Of it what was not blocked.';
COMMENT ON COLUMN analytics.task.blocked_seconds IS 'Of it what was blocked.';
COMMENT ON COLUMN analytics.task.gate_seconds IS 'What gates and merges took.';
COMMENT ON COLUMN analytics.task.critical_path_seconds IS
    'The longest chain of dependencies and splits by worker time, round after round.';
COMMENT ON COLUMN analytics.task.utilisation IS 'Active time over wall time and the most workers at once, 0 to 1.';
COMMENT ON COLUMN analytics.task.coordination_share IS 'Gates'' and merges'' share of all time, 0 to 1.';
COMMENT ON COLUMN analytics.task.speedup IS 'Active time over wall time.';
COMMENT ON COLUMN analytics.task.speedup_max IS 'Worker time over the critical path.';
COMMENT ON COLUMN analytics.task.cost IS 'In US dollars, over all attempts that said it; NULL: unknown.';
COMMENT ON COLUMN analytics.task.submitted_at IS 'When it came in.';
COMMENT ON COLUMN analytics.task.changed_at IS 'When anything last happened to it.';
COMMENT ON COLUMN analytics.task.ended_at IS 'NULL: it is not over.';
