DROP TABLE service.effort_model_pin, service.effort_model;

DROP VIEW projection.forecast CASCADE;
DO $$
DECLARE
    one regclass;
BEGIN
    FOR one IN
        SELECT oid
        FROM pg_class
        WHERE relnamespace = 'projection'::regnamespace AND relkind = 'r' AND relname ~ '^forecast_[0-9]+$'
    LOOP
        EXECUTE format('DROP TABLE %s', one);
    END LOOP;
END
$$;
DELETE FROM projection.build WHERE name = 'forecast';
INSERT INTO projection.build (name, number, version, status) VALUES ('forecast', 1, 1, 'live');
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
