-- What analysts ask beside how tasks stand: what each subtask was planned as, and what became of each problem.

CREATE TABLE projection.plan_1 (
    task_id    text        NOT NULL,
    subtask    integer     NOT NULL,
    phase      integer     NOT NULL,
    strategy   text        NOT NULL,
    domain     text        NOT NULL,
    category   text        NOT NULL,
    tool       text        NOT NULL,
    codes      text[]      NOT NULL,
    files      text[]      NOT NULL,
    depends_on integer[]   NOT NULL,
    planned_at timestamptz NOT NULL,
    PRIMARY KEY (task_id, subtask)
) WITH (fillfactor = 70);

CREATE VIEW projection.plan AS
SELECT
    task_id,
    subtask,
    phase,
    strategy,
    domain,
    category,
    tool,
    codes,
    files,
    depends_on,
    planned_at
FROM projection.plan_1;

INSERT INTO projection.build (name, number, version, status) VALUES ('plan', 1, 1, 'live');

COMMENT ON VIEW projection.plan IS
    'One row per subtask: what it was planned as.';
COMMENT ON COLUMN projection.plan.domain IS
    'What kind of trouble most of its codes are, in the catalogue''s words: imports, types, formatting.';
COMMENT ON COLUMN projection.plan.category IS
    'The kind of work, by which efforts are compared; empty where an early release has planned it.';
COMMENT ON COLUMN projection.plan.files IS
    'The files in which nobody else may work meanwhile.';
COMMENT ON COLUMN projection.plan.depends_on IS
    'Numbers of the subtasks that must have ended before.';

-- Events count problems; which they are is in the raw output beside them (ledger.artifact), which SQL cannot read.
-- projections/problem_lives.py reads it, compares the observations, and keeps here what became of each problem.
CREATE TABLE projection.problem_life (
    task_id       text        NOT NULL,
    problem       integer     NOT NULL,
    tool          text        NOT NULL,
    code          text        NOT NULL,
    domain        text        NOT NULL,
    severity      text        NOT NULL,
    path          text        NOT NULL,
    line          integer,
    symbol        text        NOT NULL,
    subject       text        NOT NULL,
    message       text        NOT NULL,
    fingerprint   text        NOT NULL,
    came_as       text        NOT NULL,
    status        text        NOT NULL,
    regressions   integer     NOT NULL,
    moves         integer     NOT NULL,
    hidden_by     integer,
    first_seen    integer     NOT NULL,
    last_seen     integer     NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    resolved_at   timestamptz,
    subtasks      jsonb       NOT NULL,
    course        jsonb       NOT NULL,
    PRIMARY KEY (task_id, problem)
) WITH (fillfactor = 70);

-- Counting by code and status over all tasks reads this alone.
CREATE INDEX problem_life_code_status_idx ON projection.problem_life (code, status);

COMMENT ON TABLE projection.problem_life IS
    'One row per problem of a task: what became of it, observation by observation.';
COMMENT ON COLUMN projection.problem_life.course IS
    'Each observation in which something happened to it: number, phase, moment, and what (domain/comparison.py).';

CREATE TABLE projection.problem_place (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint  NOT NULL
);

COMMENT ON TABLE projection.problem_place IS 'Up to where the ledger''s observations are in problem_life.';

INSERT INTO projection.problem_place (position) VALUES (0);
