-- Where the capture of a job's changes stands in this snapshot; one row.
-- capture: what tells this capture from every other: server, database, tables, triggers, their function, each as it was last altered. NULL
-- where the server is a standby. Rows that were read under one capture say nothing under another. A server that recovers from a crash has
-- not started anew, and may have lost what was seen of it: it begins its statistics anew.
-- oldest: the oldest transaction whose changes are kept (NULL where none is); whoever needs older ones lacks some.
-- Parameters: captured_job.
WITH triggers AS (
    SELECT
        t.oid,
        t.tgrelid,
        concat_ws(' ', t.oid, t.xmin, t.tgenabled, f.oid, f.xmin) AS told
    FROM pg_catalog.pg_trigger AS t
    JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace
    WHERE n.nspname = 'scorer'
      AND f.proname = 'changed_observations_of_' || :captured_job
),

tables AS (
    SELECT
        c.oid,
        concat_ws(' ', c.oid, c.xmin, pg_relation_filenode(c.oid), a.told) AS told
    FROM pg_catalog.pg_class AS c
    CROSS JOIN LATERAL (
        SELECT string_agg(concat_ws(' ', a.attnum, a.xmin), ',' ORDER BY a.attnum) AS told
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid
    ) AS a
    WHERE c.oid IN (SELECT t.tgrelid FROM triggers AS t)
       OR c.oid = CAST('scorer.captured_changes' AS regclass)
)

SELECT
    CAST(pg_current_snapshot() AS text) AS snapshot,
    CASE
        WHEN NOT pg_is_in_recovery()
            THEN md5(
                concat_ws(
                    ';',
                    k.system_identifier,
                    pg_postmaster_start_time(),
                    (SELECT b.stats_reset FROM pg_catalog.pg_stat_bgwriter AS b),
                    current_database(),
                    (SELECT string_agg(t.told, ';' ORDER BY t.oid) FROM triggers AS t),
                    (SELECT string_agg(t.told, ';' ORDER BY t.oid) FROM tables AS t)
                )
            )
    END AS capture,
    (
        SELECT CAST(c.changed_in AS text)
        FROM scorer.captured_changes AS c
        WHERE c.job = :captured_job
        ORDER BY c.changed_in
        LIMIT 1
    ) AS oldest
FROM pg_control_system() AS k
