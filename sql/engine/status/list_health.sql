-- How each job stands, and how its last run ended; one row per job.
-- Ages are in seconds by the database's clock. flags: those of the job that are set, null where none is.
SELECT
    h.job,
    h.ready,
    h.model_version,
    h.last_run_id AS run_id,
    h.last_status AS status,
    r.as_of,
    h.last_started_at AS started_at,
    h.last_finished_at AS finished_at,
    r.eligible,
    r.scored,
    r.unchanged,
    r.quarantined,
    r.insufficient,
    r.indeterminate,
    r.failed,
    r.error,
    h.last_success_at,
    h.last_tick_at,
    h.last_tick,
    h.missed_last_day,
    h.last_missed_at,
    h.failures,
    h.breaker_opened_at,
    h.breaker_next_try_at,
    h.breaker_reason,
    h.backlog,
    COALESCE(EXTRACT(EPOCH FROM now() - h.backlog_since), 0)::double precision AS backlog_seconds,
    h.requests_waiting,
    COALESCE(EXTRACT(EPOCH FROM now() - h.requests_since), 0)::double precision AS requests_seconds,
    h.write_backs_waiting,
    COALESCE(EXTRACT(EPOCH FROM now() - h.write_backs_since), 0)::double precision AS write_backs_seconds,
    h.take_backs_waiting,
    COALESCE(EXTRACT(EPOCH FROM now() - h.take_backs_since), 0)::double precision AS take_backs_seconds,
    (
        SELECT jsonb_object_agg(f.flag, f.detail)
        FROM reporting.flags AS f
        WHERE f.is_current
          AND f.action = 'set'
          AND f.flag IN (h.job || '.scores', h.job || '.write_back', h.job || '.reasons')
    ) AS flags,
    now() AS read_at
FROM reporting.health AS h
LEFT JOIN reporting.runs AS r ON r.run_id = h.last_run_id
ORDER BY h.job
