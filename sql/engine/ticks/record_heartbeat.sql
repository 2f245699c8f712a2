-- Records that a daemon is alive, and deletes those not seen for a day; no row.
-- Parameters: daemon, version, ready, detail, jobs (array).
WITH forgotten AS (
    DELETE FROM scorer.daemons
    WHERE beat_at < now() - INTERVAL '1 day'
      AND daemon <> :daemon
)

INSERT INTO scorer.daemons (daemon, version, ready, detail, jobs)
VALUES (
    :daemon,
    :version,
    :ready,
    :detail,
    CAST(:jobs AS text [])
)
ON CONFLICT (daemon) DO UPDATE
SET
    beat_at = now(),
    ready = excluded.ready,
    detail = excluded.detail,
    jobs = excluded.jobs
