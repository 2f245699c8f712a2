-- The event triggers that fire where a temporary table is made; one row each.
-- They come in the order of their names, in which they fire.
SELECT
    t.evtname AS name,
    t.evtevent AS event,
    n.nspname || '.' || p.proname AS function
FROM pg_event_trigger AS t
JOIN pg_proc AS p ON p.oid = t.evtfoid
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE t.evtenabled IN ('O', 'A')
  AND t.evtevent IN ('ddl_command_start', 'ddl_command_end')
  AND (t.evttags IS NULL OR 'CREATE TABLE' = ANY(t.evttags))
ORDER BY t.evtname
