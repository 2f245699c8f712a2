-- Takes away what waits and who runs what.

DROP VIEW reporting.health;
CREATE VIEW reporting.health AS
SELECT
    j.job,
    alive.daemons > 0 AND b.opened_at IS NULL AND m.model_version IS NOT NULL AS ready,
    alive.daemons,
    alive.beat_at,
    m.model_version,
    last.run_id AS last_run_id,
    last.status AS last_status,
    last.started_at AS last_started_at,
    last.finished_at AS last_finished_at,
    good.finished_at AS last_success_at,
    tick.scheduled_for AS last_tick_at,
    tick.outcome AS last_tick,
    COALESCE(missed.ticks, 0) AS missed_last_day,
    missed.recorded_at AS last_missed_at,
    COALESCE(b.failures, 0) AS failures,
    b.opened_at AS breaker_opened_at,
    b.next_try_at AS breaker_next_try_at,
    b.reason AS breaker_reason,
    COALESCE(work.entities, 0) AS backlog,
    work.oldest_at AS backlog_since,
    COALESCE(asked.waiting, 0) AS requests_waiting,
    asked.oldest_at AS requests_since,
    COALESCE(current.valid, 0) AS valid,
    COALESCE(current.expiring, 0) AS expiring,
    COALESCE(current.stale, 0) AS stale,
    COALESCE(current.held, 0) AS held
FROM (
    SELECT v.job FROM scorer.job_versions AS v
    UNION
    SELECT v.job FROM scorer.model_versions AS v
) AS j
CROSS JOIN (
    SELECT
        count(*) FILTER (WHERE d.ready AND abs(EXTRACT(EPOCH FROM now() - d.beat_at)) < 60) AS daemons,
        max(d.beat_at) AS beat_at
    FROM scorer.daemons AS d
) AS alive
LEFT JOIN scorer.model_versions AS m ON m.job = j.job AND m.status = 'production'
LEFT JOIN scorer.breakers AS b ON b.job = j.job
LEFT JOIN LATERAL (
    SELECT r.run_id, r.status, r.started_at, r.finished_at
    FROM scorer.runs AS r
    WHERE r.job = j.job
      AND r.trigger <> 'request'
    ORDER BY r.run_id DESC
    LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT r.finished_at
    FROM scorer.runs AS r
    WHERE r.job = j.job
      AND r.status = 'succeeded'
      AND r.trigger <> 'request'
    ORDER BY r.run_id DESC
    LIMIT 1
) AS good ON true
LEFT JOIN LATERAL (
    SELECT t.scheduled_for, t.outcome
    FROM scorer.ticks AS t
    WHERE t.job = j.job
    ORDER BY t.scheduled_for DESC
    LIMIT 1
) AS tick ON true
LEFT JOIN (
    SELECT t.job, count(*) AS ticks, max(t.recorded_at) AS recorded_at
    FROM scorer.ticks AS t
    WHERE t.outcome = 'missed'
      AND t.recorded_at > now() - INTERVAL '1 day'
    GROUP BY t.job
) AS missed ON missed.job = j.job
LEFT JOIN (
    SELECT w.job, count(*) AS entities, min(w.enqueued_at) AS oldest_at
    FROM scorer.work AS w
    GROUP BY w.job
) AS work ON work.job = j.job
LEFT JOIN (
    SELECT q.job, count(*) AS waiting, min(q.requested_at) AS oldest_at
    FROM scorer.requests AS q
    WHERE q.status = 'waiting'
    GROUP BY q.job
) AS asked ON asked.job = j.job
-- Joined from the left, so that whoever leaves these columns out does not pay for the counting.
LEFT JOIN (
    SELECT
        c.job,
        count(*) FILTER (WHERE c.valid_until > now()) AS valid,
        count(*) FILTER (WHERE c.valid_until > now() AND c.valid_until <= now() + INTERVAL '1 hour') AS expiring,
        count(*) FILTER (WHERE c.valid_until <= now()) AS stale,
        count(*) FILTER (WHERE c.status = 'QUARANTINED') AS held
    FROM scorer.current_scores AS c
    GROUP BY c.job
) AS current ON current.job = j.job;
COMMENT ON VIEW reporting.health IS 'One row per job: whether it can score now, its last run and tick, backlog, requests, and how many current scores are valid, stale, or expire within the hour.';
GRANT SELECT ON reporting.health TO scorer_worker, scorer_approver, scorer_requester, scorer_reader;
REVOKE SELECT (beat_at, jobs) ON scorer.daemons FROM scorer_requester;
ALTER TABLE scorer.daemons DROP COLUMN jobs;
