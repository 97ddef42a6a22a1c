-- Who may do what. Roles belong to the whole server, so this runs again wherever the ledger is restored.
--
--   pw_owner    owns everything: migrations, imports, archiving
--   pw_service  appends and reads; cannot change or remove what is stored. Read models are its own
--   pw_analyst  reads the views in schemas analytics and projection, and nothing else
--
-- None can log in by itself. Give a login one of them: CREATE ROLE name LOGIN PASSWORD '...' IN ROLE pw_service;

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['pw_owner', 'pw_service', 'pw_analyst'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                RAISE NOTICE 'role % was made by another database of this server', wanted;
            END;
        END IF;
        IF NOT pg_has_role(wanted, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
    END LOOP;
END
$$;

-- Owned by a role that nobody logs in as: a service that leaks its credentials leaks no right to alter tables.
DO $$
DECLARE
    item record;
BEGIN
    EXECUTE format('GRANT CREATE ON DATABASE %I TO pw_owner', current_database());
    FOR item IN
        SELECT format('SCHEMA %I', nspname) AS name
        FROM pg_namespace
        WHERE nspname IN ('ledger', 'analytics', 'migration', 'service', 'projection')
        UNION ALL
        SELECT format('%s %s', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, oid::regclass)
        FROM pg_class
        WHERE relnamespace IN (
                'ledger'::regnamespace, 'analytics'::regnamespace, 'migration'::regnamespace, 'service'::regnamespace
            )
            AND relkind IN ('r', 'p', 'v', 'S')
        UNION ALL
        SELECT format('FUNCTION %s', oid::regprocedure)
        FROM pg_proc
        WHERE pronamespace = 'ledger'::regnamespace
    LOOP
        EXECUTE format('ALTER %s OWNER TO pw_owner', item.name);
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA ledger, analytics, migration TO pw_service;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger, analytics, migration TO pw_service;
GRANT INSERT ON ledger.event, ledger.artifact, ledger.seal TO pw_service;
GRANT USAGE, SELECT ON SEQUENCE ledger.position TO pw_service;

-- What is no history may change.
GRANT USAGE ON SCHEMA service TO pw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA service TO pw_service;

-- Read models are made and thrown away by whoever fills them. Each rebuild makes tables of its own.
GRANT USAGE, CREATE ON SCHEMA projection TO pw_service;
GRANT USAGE ON SCHEMA projection TO pw_analyst;
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT oid::regclass AS name, relkind FROM pg_class
        WHERE relnamespace = 'projection'::regnamespace AND relkind IN ('r', 'v')
    LOOP
        EXECUTE format(
            'ALTER %s %s OWNER TO pw_service', CASE item.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, item.name
        );
        IF item.relkind = 'v' THEN
            EXECUTE format('GRANT SELECT ON %s TO pw_analyst', item.name);
        END IF;
        -- The views in schema analytics read with the rights of their owner.
        EXECUTE format('GRANT SELECT ON %s TO pw_owner', item.name);
    END LOOP;
END
$$;

-- Beside the views only the book of migrations, which tells every command whether the schema is up to date.
GRANT USAGE ON SCHEMA analytics, migration TO pw_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA analytics, migration TO pw_analyst;
