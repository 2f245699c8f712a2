-- Makes the five roles and the two schemas where they are missing. Needs CREATEROLE and CREATE on the database, once;
-- where an administrator has run it, `scorer db upgrade` needs neither, only membership in scorer_owner.
-- Roles belong to the whole cluster and cannot log in: grant them to logins (GRANT scorer_worker TO scorer_daemon).

DO $$
DECLARE
    name text;
BEGIN
    -- One upgrade of a database at a time: the second finds everything made.
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('scorer upgrade', 0));
    FOREACH name IN ARRAY ARRAY['scorer_owner', 'scorer_worker', 'scorer_approver', 'scorer_requester', 'scorer_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE 'CREATE ROLE ' || quote_ident(name) || ' NOLOGIN';
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database of the cluster is being prepared at the same moment
            END;
        END IF;
    END LOOP;
    -- Since PostgreSQL 16, whoever makes a role is a member that may grant it, and not yet one that may act as it.
    IF NOT pg_has_role(
        'scorer_owner',
        CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END
    ) THEN
        EXECUTE 'GRANT scorer_owner TO ' || quote_ident(current_user);
    END IF;
    -- Who scores also makes the pages for people, which are read with a reader's rights alone. Where whoever upgrades may not grant it, a
    -- DBA does: GRANT scorer_reader TO the daemon's login.
    IF NOT pg_has_role('scorer_worker', 'scorer_reader', 'MEMBER') THEN
        BEGIN
            GRANT scorer_reader TO scorer_worker;
        EXCEPTION WHEN insufficient_privilege OR unique_violation THEN
            NULL;
        END;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'scorer') THEN
        CREATE SCHEMA scorer AUTHORIZATION scorer_owner;
        COMMENT ON SCHEMA scorer IS 'Runs, work and the ledger of scores; written by scorer_worker alone.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'reporting') THEN
        CREATE SCHEMA reporting AUTHORIZATION scorer_owner;
        COMMENT ON SCHEMA reporting IS 'What reporting tools read.';
    ELSIF NOT has_schema_privilege('scorer_owner', 'reporting', 'CREATE')
        OR NOT has_schema_privilege('scorer_owner', 'reporting', 'USAGE WITH GRANT OPTION') THEN
        GRANT CREATE ON SCHEMA reporting TO scorer_owner;
        GRANT USAGE ON SCHEMA reporting TO scorer_owner WITH GRANT OPTION;
    END IF;
END
$$;
