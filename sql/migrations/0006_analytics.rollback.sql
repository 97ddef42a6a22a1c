DELETE FROM projection.build WHERE name = 'plan';
DROP VIEW projection.plan;
-- Whatever a rebuild has made of it.
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN SELECT oid::regclass AS name FROM pg_class
        WHERE relnamespace = 'projection'::regnamespace AND relkind = 'r' AND relname ~ '^plan_[0-9]+$'
    LOOP
        EXECUTE format('DROP TABLE %s', item.name);
    END LOOP;
END
$$;
DROP TABLE projection.problem_life, projection.problem_place;
