-- Effort models that were kept: what the ledger had taught up to a position.
--
-- Each can be made again from the ledger up to its position, so losing them costs time and nothing else.

CREATE TABLE service.effort_model (
    sha256      text        PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    position    bigint      NOT NULL,
    completions bigint      NOT NULL,
    version     integer     NOT NULL,
    -- Compressed by us: Postgres' own compression is for what is read in parts.
    state       bytea       NOT NULL,
    -- Whether somebody asked for it; what a service keeps for its own next start may go again.
    asked_for   boolean     NOT NULL,
    made_at     timestamptz NOT NULL
);
ALTER TABLE service.effort_model ALTER COLUMN state SET STORAGE EXTERNAL;

COMMENT ON TABLE service.effort_model IS 'What the ledger had taught about efforts up to a position.';
COMMENT ON COLUMN service.effort_model.sha256 IS 'Of version and statistics: equal for equal knowledge.';
COMMENT ON COLUMN service.effort_model.position IS 'How far the ledger was read; nothing after it counts.';
COMMENT ON COLUMN service.effort_model.state IS 'The statistics as JSON, compressed with zlib.';

-- At most one row: the model that estimates are made with whatever comes after it. None: the ledger is followed.
CREATE TABLE service.effort_model_pin (
    only_row  boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    sha256    text        NOT NULL REFERENCES service.effort_model,
    pinned_at timestamptz NOT NULL
);

-- Forecasts are scored, and those that are made when an attempt begins are kept beside those of the plan. The read
-- model is begun anew: its tables go, and the view, on which others' may rest, gets its new columns at the end.
CREATE TABLE projection.forecast_anew (
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
    number         integer          NOT NULL,
    kind           text             NOT NULL,
    category       text             NOT NULL,
    worker_id      text,
    model_position bigint,
    log_ratio      double precision,
    pinball80      double precision,
    hit80          boolean,
    hit95          boolean,
    CONSTRAINT forecast_anew_pkey PRIMARY KEY (task_id, phase, subtask, workers, number)
) WITH (fillfactor = 70);

CREATE OR REPLACE VIEW projection.forecast AS
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
    came_at,
    number,
    kind,
    category,
    worker_id,
    model_position,
    log_ratio,
    pinball80,
    hit80,
    hit95
FROM projection.forecast_anew;

DO $$
DECLARE
    old regclass;
BEGIN
    FOR old IN
        SELECT oid
        FROM pg_class
        WHERE relnamespace = 'projection'::regnamespace AND relkind = 'r' AND relname ~ '^forecast_[0-9]+$'
    LOOP
        EXECUTE format('DROP TABLE %s', old);
    END LOOP;
END
$$;

ALTER TABLE projection.forecast_anew RENAME TO forecast_1;
ALTER TABLE projection.forecast_1 RENAME CONSTRAINT forecast_anew_pkey TO forecast_1_pkey;
DELETE FROM projection.build WHERE name = 'forecast';
INSERT INTO projection.build (name, number, version, status) VALUES ('forecast', 1, 2, 'live');

COMMENT ON VIEW projection.forecast IS
    'What was foretold, and what has come: efforts of subtasks, and lengths of phases (subtask 0).';
COMMENT ON COLUMN projection.forecast.actual_seconds IS
    'Time of the accepted attempt, as the effort model counts it; wall time of the phase, or what was left of it.';
COMMENT ON COLUMN projection.forecast.number IS
    'The attempt that a forecast of the kind start is about; 1, 2, 3 ... for those of the kind task; 0: the plan''s.';
COMMENT ON COLUMN projection.forecast.kind IS
    'plan: an effort; start: the same when its worker was known; phase: a length; task: what was left of it.';
COMMENT ON COLUMN projection.forecast.category IS
    'The kind of work, by which efforts are compared.';
COMMENT ON COLUMN projection.forecast.worker_id IS
    'Who was to do it; NULL: that was not known.';
COMMENT ON COLUMN projection.forecast.model_position IS
    'How far the effort model had learnt the ledger; NULL: none was asked.';
COMMENT ON COLUMN projection.forecast.log_ratio IS
    'Log of actual over P50: 0.69 took twice as long.';
COMMENT ON COLUMN projection.forecast.pinball80 IS
    'Pinball loss of the P80, in seconds: the mean of it is least for the true P80.';
COMMENT ON COLUMN projection.forecast.hit80 IS
    'Whether it took no longer than the P80.';
COMMENT ON COLUMN projection.forecast.hit95 IS
    'Whether it took no longer than the P95.';
