-- Read models: what people see of the ledger, folded from its events and nothing else. All of it can be thrown away
-- and made again (pw rebuild).
--
-- A read model NAME is a table projection.NAME_1, 2, 3 ..., of which projection.NAME is the view that everybody reads.
-- A rebuild makes the next table beside it and turns the view to it in one transaction. A new release may add columns
-- at the end of a view; other changes get a name of their own, because others' views rest on this one.
-- The tables are those of projections/models (a test compares them). Every key begins with task_id.

CREATE SCHEMA projection;

COMMENT ON SCHEMA projection IS 'Read models, folded from the ledger: everything here can be made again.';

CREATE TABLE projection.build (
    name     text    NOT NULL,
    number   integer NOT NULL,
    version  integer NOT NULL,
    status   text    NOT NULL CHECK (status IN ('live', 'building')),
    position bigint  NOT NULL DEFAULT 0,
    -- NULL: before the first event.
    cursor   text,
    made_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, number)
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX build_live_key ON projection.build (name) WHERE status = 'live';

COMMENT ON TABLE projection.build IS 'The tables of read models: which are read, and up to where they hold the ledger.';
COMMENT ON COLUMN projection.build.number IS 'The table is projection.NAME_NUMBER.';
COMMENT ON COLUMN projection.build.version IS 'Of the fold that fills the table.';
COMMENT ON COLUMN projection.build.cursor IS 'The place in the ledger that position is, as the feed knows it.';

CREATE TABLE projection.set_aside (
    name         text        NOT NULL,
    task_id      text        NOT NULL,
    position     bigint      NOT NULL,
    error        text        NOT NULL,
    set_aside_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, task_id, position)
);

COMMENT ON TABLE projection.set_aside IS 'Events that a read model could not take in: it goes on without them.';

INSERT INTO projection.build (name, number, version, status) VALUES
    ('blocker', 1, 1, 'live'),
    ('burndown', 1, 1, 'live'),
    ('efficiency', 1, 1, 'live'),
    ('forecast', 1, 1, 'live'),
    ('gate', 1, 1, 'live'),
    ('history', 1, 1, 'live'),
    ('milestone', 1, 1, 'live'),
    ('progress', 1, 1, 'live'),
    ('subtask', 1, 1, 'live'),
    ('worker', 1, 1, 'live');

CREATE TABLE projection.blocker_1 (
    task_id     text        NOT NULL,
    subtask     integer     NOT NULL,
    number      integer     NOT NULL,
    kind        text        NOT NULL,
    policy      text        NOT NULL,
    detail      text        NOT NULL,
    context     text        NOT NULL,
    waits_for   integer,
    worker_id   text        NOT NULL,
    lease_epoch integer     NOT NULL,
    opened_at   timestamptz NOT NULL,
    freed_at    timestamptz,
    answered_at timestamptz,
    answer      text        NOT NULL,
    action      text,
    answered_by text,
    PRIMARY KEY (task_id, subtask, number)
) WITH (fillfactor = 70);

CREATE VIEW projection.blocker AS
SELECT
    task_id,
    subtask,
    number,
    kind,
    policy,
    detail,
    context,
    waits_for,
    worker_id,
    lease_epoch,
    opened_at,
    freed_at,
    answered_at,
    answer,
    action,
    answered_by,
    greatest(extract(epoch FROM coalesce(answered_at, now()) - opened_at), 0)::float8 AS age_seconds,
    greatest(extract(epoch FROM coalesce(freed_at, now()) - opened_at), 0)::float8 AS cost_seconds
FROM projection.blocker_1;

COMMENT ON VIEW projection.blocker IS
    'One row per blocker: what kept a worker from going on, what was done about it, how long it took.';
COMMENT ON COLUMN projection.blocker.number IS
    '1, 2, 3 ... within the subtask.';
COMMENT ON COLUMN projection.blocker.policy IS
    'What the service does: wait for a subtask, answer at once, park, extend, split, or ask people.';
COMMENT ON COLUMN projection.blocker.waits_for IS
    'Number of the subtask whose end is waited for; NULL: of none.';
COMMENT ON COLUMN projection.blocker.freed_at IS
    'When its worker went on, or was rid of the subtask; NULL: the worker still waits.';
COMMENT ON COLUMN projection.blocker.answered_at IS
    'NULL: it is open.';
COMMENT ON COLUMN projection.blocker.age_seconds IS
    'From its opening to its answer, or until now.';
COMMENT ON COLUMN projection.blocker.cost_seconds IS
    'For how long its worker has waited, so far: worker time that it has cost.';

CREATE TABLE projection.burndown_1 (
    task_id                 text             NOT NULL,
    position                bigint           NOT NULL,
    at                      timestamptz      NOT NULL,
    phase                   integer          NOT NULL,
    event                   text             NOT NULL,
    subtasks_left           integer          NOT NULL,
    subtasks_accepted       integer          NOT NULL,
    subtasks_held           integer          NOT NULL,
    live                    integer          NOT NULL,
    weight_left_seconds     double precision NOT NULL,
    weight_accepted_seconds double precision NOT NULL,
    problems                integer,
    PRIMARY KEY (task_id, position)
) WITH (fillfactor = 70);

CREATE VIEW projection.burndown AS
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
FROM projection.burndown_1;

COMMENT ON VIEW projection.burndown IS
    'What was left of a task, at each moment at which that changed.';
COMMENT ON COLUMN projection.burndown.event IS
    'Type of the event that changed it.';
COMMENT ON COLUMN projection.burndown.weight_left_seconds IS
    'Estimated effort of what is neither accepted nor held, of all phases so far.';
COMMENT ON COLUMN projection.burndown.problems IS
    'By the last observation; NULL: there was none.';

CREATE TABLE projection.efficiency_1 (
    task_id               text             NOT NULL,
    workers               integer          NOT NULL,
    workers_at_once_max   integer          NOT NULL,
    attempts              integer          NOT NULL,
    wall_seconds          double precision NOT NULL,
    worker_seconds        double precision NOT NULL,
    active_seconds        double precision NOT NULL,
    blocked_seconds       double precision NOT NULL,
    gate_seconds          double precision NOT NULL,
    critical_path_seconds double precision NOT NULL,
    utilisation           double precision,
    coordination_share    double precision,
    speedup               double precision,
    speedup_max           double precision,
    PRIMARY KEY (task_id)
) WITH (fillfactor = 70);

CREATE VIEW projection.efficiency AS
SELECT
    task_id,
    workers,
    workers_at_once_max,
    attempts,
    wall_seconds,
    worker_seconds,
    active_seconds,
    blocked_seconds,
    gate_seconds,
    critical_path_seconds,
    utilisation,
    coordination_share,
    speedup,
    speedup_max
FROM projection.efficiency_1;

COMMENT ON VIEW projection.efficiency IS
    'One row per task: where its time went, and what working in parallel has gained.';
COMMENT ON COLUMN projection.efficiency.wall_seconds IS
    'From the first to the last event, without the time in which it was paused or nobody ran it.';
COMMENT ON COLUMN projection.efficiency.worker_seconds IS
    'From workers'' first words to their last, over all attempts that have ended; blocked time is a part.';
COMMENT ON COLUMN projection.efficiency.gate_seconds IS
    'Gates and merges: what coordination cost.';
COMMENT ON COLUMN projection.efficiency.critical_path_seconds IS
    'The longest chain of dependencies, in worker time, phase by phase: no number of workers does better.';
COMMENT ON COLUMN projection.efficiency.utilisation IS
    'Active time over the wall time of as many workers as were at work at once; NULL: nothing has ended.';
COMMENT ON COLUMN projection.efficiency.coordination_share IS
    'Gates'' and merges'' share of all time, 0 to 1.';
COMMENT ON COLUMN projection.efficiency.speedup IS
    'Active time over wall time: what one worker alone would have needed, over what was needed.';
COMMENT ON COLUMN projection.efficiency.speedup_max IS
    'Worker time over the critical path: what as many workers as can be would have reached.';

CREATE TABLE projection.forecast_1 (
    task_id        text             NOT NULL,
    phase          integer          NOT NULL,
    subtask        integer          NOT NULL,
    workers        integer          NOT NULL,
    basis          text             NOT NULL,
    made_at        timestamptz      NOT NULL,
    p50_seconds    double precision NOT NULL,
    p80_seconds    double precision,
    p95_seconds    double precision,
    actual_seconds double precision,
    came_at        timestamptz,
    PRIMARY KEY (task_id, phase, subtask, workers)
) WITH (fillfactor = 70);

CREATE VIEW projection.forecast AS
SELECT
    task_id,
    phase,
    subtask,
    workers,
    basis,
    made_at,
    p50_seconds,
    p80_seconds,
    p95_seconds,
    actual_seconds,
    came_at
FROM projection.forecast_1;

COMMENT ON VIEW projection.forecast IS
    'What was foretold, and what has come: efforts of subtasks (workers 0), lengths of phases (subtask 0).';
COMMENT ON COLUMN projection.forecast.workers IS
    'The number of workers that the length was simulated with; 0: an effort.';
COMMENT ON COLUMN projection.forecast.actual_seconds IS
    'Worker time of the accepted subtask; wall time of the phase, for the number of workers that there were.';

CREATE TABLE projection.gate_1 (
    task_id      text             NOT NULL,
    position     bigint           NOT NULL,
    subtask      integer          NOT NULL,
    lease_epoch  integer,
    worker_id    text,
    gate         text             NOT NULL,
    passed       boolean          NOT NULL,
    score        double precision NOT NULL,
    required     double precision NOT NULL,
    blocking     boolean          NOT NULL,
    detail       text             NOT NULL,
    seconds      double precision NOT NULL,
    reviewer     text,
    evaluated_at timestamptz      NOT NULL,
    PRIMARY KEY (task_id, position)
) WITH (fillfactor = 70);

CREATE VIEW projection.gate AS
SELECT
    task_id,
    position,
    subtask,
    lease_epoch,
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
FROM projection.gate_1;

COMMENT ON VIEW projection.gate IS
    'One row for each time that a gate was evaluated; reviews by other workers are gates named review.';
COMMENT ON COLUMN projection.gate.score IS
    '0 to 1.';
COMMENT ON COLUMN projection.gate.reviewer IS
    'Who has judged; NULL: a program.';

CREATE TABLE projection.history_1 (
    task_id               text             NOT NULL,
    subtask               integer          NOT NULL,
    lease_epoch           integer          NOT NULL,
    phase                 integer          NOT NULL,
    worker_id             text             NOT NULL,
    repository            text             NOT NULL,
    tool                  text             NOT NULL,
    codes                 text[]           NOT NULL,
    files                 integer          NOT NULL,
    problems              integer          NOT NULL,
    estimated_seconds     double precision NOT NULL,
    estimated_p80_seconds double precision NOT NULL,
    estimated_p95_seconds double precision NOT NULL,
    prior_seconds         double precision NOT NULL,
    outcome               text             NOT NULL,
    censored              boolean          NOT NULL,
    queued_seconds        double precision NOT NULL,
    starting_seconds      double precision,
    active_seconds        double precision NOT NULL,
    blocked_seconds       double precision NOT NULL,
    judged_seconds        double precision,
    gate_seconds          double precision NOT NULL,
    cpu_seconds           double precision,
    model                 text,
    tokens_in             bigint,
    tokens_out            bigint,
    cost                  double precision,
    claimed_at            timestamptz      NOT NULL,
    started_at            timestamptz,
    reported_at           timestamptz,
    ended_at              timestamptz,
    PRIMARY KEY (task_id, subtask, lease_epoch)
) WITH (fillfactor = 70);

CREATE VIEW projection.history AS
SELECT
    task_id,
    subtask,
    lease_epoch,
    phase,
    worker_id,
    repository,
    tool,
    codes,
    files,
    problems,
    estimated_seconds,
    estimated_p80_seconds,
    estimated_p95_seconds,
    prior_seconds,
    outcome,
    censored,
    queued_seconds,
    starting_seconds,
    active_seconds,
    blocked_seconds,
    judged_seconds,
    gate_seconds,
    cpu_seconds,
    model,
    tokens_in,
    tokens_out,
    cost,
    claimed_at,
    started_at,
    reported_at,
    ended_at
FROM projection.history_1;

COMMENT ON VIEW projection.history IS
    'One row per attempt: what was to be done, how it ended, and where its time went.';
COMMENT ON COLUMN projection.history.outcome IS
    'While it lasts its status; then accepted, rejected, failed, lost, timed_out, released, parked, held or split.';
COMMENT ON COLUMN projection.history.censored IS
    'Nobody knows how long the work would have taken: at least as long as it did.';
COMMENT ON COLUMN projection.history.queued_seconds IS
    'From being ready to the claim.';
COMMENT ON COLUMN projection.history.starting_seconds IS
    'From the claim to the worker''s first word.';
COMMENT ON COLUMN projection.history.active_seconds IS
    'From the worker''s first word to its last, without the time in which it was blocked.';
COMMENT ON COLUMN projection.history.judged_seconds IS
    'From its completion to the verdict.';
COMMENT ON COLUMN projection.history.prior_seconds IS
    'The median that is shipped, before anything was learnt.';

CREATE TABLE projection.milestone_1 (
    task_id       text             NOT NULL,
    phase         integer          NOT NULL,
    percent       integer          NOT NULL,
    reached_at    timestamptz      NOT NULL,
    phase_seconds double precision NOT NULL,
    position      bigint           NOT NULL,
    PRIMARY KEY (task_id, phase, percent)
) WITH (fillfactor = 70);

CREATE VIEW projection.milestone AS
SELECT
    task_id,
    phase,
    percent,
    reached_at,
    phase_seconds,
    position
FROM projection.milestone_1;

COMMENT ON VIEW projection.milestone IS
    'When a quarter, half, three quarters and all of a phase''s weight were accepted.';
COMMENT ON COLUMN projection.milestone.phase_seconds IS
    'Since the phase began.';

CREATE TABLE projection.progress_1 (
    task_id             text             NOT NULL,
    status              text             NOT NULL,
    reason              text             NOT NULL,
    branch              text             NOT NULL,
    phase               integer          NOT NULL,
    percent             double precision NOT NULL,
    subtasks            integer          NOT NULL,
    planned             integer          NOT NULL,
    ready               integer          NOT NULL,
    claimed             integer          NOT NULL,
    running             integer          NOT NULL,
    blocked             integer          NOT NULL,
    reported            integer          NOT NULL,
    parked              integer          NOT NULL,
    accepted            integer          NOT NULL,
    held                integer          NOT NULL,
    split               integer          NOT NULL,
    weight_seconds      double precision NOT NULL,
    weight_done_seconds double precision NOT NULL,
    milestone           integer          NOT NULL,
    failures            integer          NOT NULL,
    losses              integer          NOT NULL,
    problems_before     integer,
    problems_now        integer,
    worker_seconds      double precision NOT NULL,
    cost                double precision,
    submitted_at        timestamptz      NOT NULL,
    changed_at          timestamptz      NOT NULL,
    ended_at            timestamptz,
    position            bigint           NOT NULL,
    PRIMARY KEY (task_id)
) WITH (fillfactor = 70);

CREATE VIEW projection.progress AS
SELECT
    task_id,
    status,
    reason,
    branch,
    phase,
    percent,
    subtasks,
    planned,
    ready,
    claimed,
    running,
    blocked,
    reported,
    parked,
    accepted,
    held,
    split,
    weight_seconds,
    weight_done_seconds,
    milestone,
    failures,
    losses,
    problems_before,
    problems_now,
    worker_seconds,
    cost,
    submitted_at,
    changed_at,
    ended_at,
    position
FROM projection.progress_1;

COMMENT ON VIEW projection.progress IS
    'One row per task: where it stands. Counts and weights are those of its present phase.';
COMMENT ON COLUMN projection.progress.percent IS
    'Of the present phase, by estimated effort, held subtasks aside.';
COMMENT ON COLUMN projection.progress.weight_seconds IS
    'Estimated effort of the phase, without what is held or split.';
COMMENT ON COLUMN projection.progress.milestone IS
    'The last quarter that was reached, in percent.';
COMMENT ON COLUMN projection.progress.problems_now IS
    'By the last observation; work since is not in it.';
COMMENT ON COLUMN projection.progress.cost IS
    'In US dollars, over all attempts of all phases that said it; NULL: unknown.';
COMMENT ON COLUMN projection.progress.position IS
    'Of the last event that is in it.';

CREATE TABLE projection.subtask_1 (
    task_id               text             NOT NULL,
    subtask               integer          NOT NULL,
    phase                 integer          NOT NULL,
    status                text             NOT NULL,
    title                 text             NOT NULL,
    reason                text             NOT NULL,
    note                  text             NOT NULL,
    priority              integer          NOT NULL,
    problems              integer          NOT NULL,
    files                 integer          NOT NULL,
    worker_id             text,
    last_worker           text,
    attempts              integer          NOT NULL,
    failures              integer          NOT NULL,
    losses                integer          NOT NULL,
    open_blockers         integer          NOT NULL,
    in_review             boolean          NOT NULL,
    estimated_seconds     double precision NOT NULL,
    estimated_p80_seconds double precision NOT NULL,
    estimated_p95_seconds double precision NOT NULL,
    worker_seconds        double precision NOT NULL,
    fraction              double precision NOT NULL,
    cost                  double precision,
    ready_at              timestamptz,
    claimed_at            timestamptz,
    started_at            timestamptz,
    ended_at              timestamptz,
    changed_at            timestamptz      NOT NULL,
    position              bigint           NOT NULL,
    PRIMARY KEY (task_id, subtask)
) WITH (fillfactor = 70);

CREATE VIEW projection.subtask AS
SELECT
    task_id,
    subtask,
    phase,
    status,
    title,
    reason,
    note,
    priority,
    problems,
    files,
    worker_id,
    last_worker,
    attempts,
    failures,
    losses,
    open_blockers,
    in_review,
    estimated_seconds,
    estimated_p80_seconds,
    estimated_p95_seconds,
    worker_seconds,
    fraction,
    cost,
    ready_at,
    claimed_at,
    started_at,
    ended_at,
    changed_at,
    position
FROM projection.subtask_1;

COMMENT ON VIEW projection.subtask IS
    'One row per subtask: what it is, how it stands, what it took.';
COMMENT ON COLUMN projection.subtask.status IS
    'planned, ready, claimed, running, blocked, reported, parked, accepted, held, or split into others.';
COMMENT ON COLUMN projection.subtask.worker_id IS
    'Who holds it; NULL: nobody.';
COMMENT ON COLUMN projection.subtask.failures IS
    'Attempts that failed, did not get on, or whose work was refused.';
COMMENT ON COLUMN projection.subtask.losses IS
    'How often a worker was lost; that says nothing about the subtask.';
COMMENT ON COLUMN projection.subtask.worker_seconds IS
    'From the worker''s first word to its last, over all attempts that have ended.';
COMMENT ON COLUMN projection.subtask.fraction IS
    'Share that is done, 0 to 1; 0.99 until the gates have decided.';
COMMENT ON COLUMN projection.subtask.cost IS
    'In US dollars, over all attempts that said it; NULL: unknown.';

CREATE TABLE projection.worker_1 (
    task_id         text             NOT NULL,
    worker_id       text             NOT NULL,
    subtask         integer,
    live            integer          NOT NULL,
    claims          integer          NOT NULL,
    reports         integer          NOT NULL,
    accepted        integer          NOT NULL,
    rejected        integer          NOT NULL,
    failed          integer          NOT NULL,
    lost            integer          NOT NULL,
    timed_out       integer          NOT NULL,
    released        integer          NOT NULL,
    parked          integer          NOT NULL,
    late_reports    integer          NOT NULL,
    reviews         integer          NOT NULL,
    worked_seconds  double precision NOT NULL,
    blocked_seconds double precision NOT NULL,
    cost            double precision,
    tokens_in       bigint,
    tokens_out      bigint,
    first_seen_at   timestamptz      NOT NULL,
    last_seen_at    timestamptz      NOT NULL,
    position        bigint           NOT NULL,
    PRIMARY KEY (task_id, worker_id)
) WITH (fillfactor = 70);

CREATE VIEW projection.worker AS
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
    last_seen_at,
    position
FROM projection.worker_1;

COMMENT ON VIEW projection.worker IS
    'One row for each worker that a task has seen: what it did there, and how that ended.';
COMMENT ON COLUMN projection.worker.subtask IS
    'What it took up last of what it holds; NULL: nothing.';
COMMENT ON COLUMN projection.worker.live IS
    'How many subtasks it holds.';
COMMENT ON COLUMN projection.worker.reports IS
    'How often it said to be done.';
COMMENT ON COLUMN projection.worker.late_reports IS
    'What it said when its lease was over for good.';
COMMENT ON COLUMN projection.worker.blocked_seconds IS
    'A part of worked_seconds.';
COMMENT ON COLUMN projection.worker.cost IS
    'In US dollars, where it said it; NULL: unknown.';
