-- Records ticks as missed; one row per tick recorded.
-- Settled ticks stay as they are, except what a wrong clock settled in the future.
-- Parameters: job, scheduled_for (array of times), reason, schedule, recorded_by.
INSERT INTO scorer.ticks AS t (job, scheduled_for, outcome, reason, schedule, recorded_by)
SELECT
    :job,
    missed.scheduled_for,
    'missed',
    :reason,
    :schedule,
    :recorded_by
FROM unnest(CAST(:scheduled_for AS timestamptz [])) AS missed (scheduled_for)
ON CONFLICT (job, scheduled_for) DO UPDATE
SET
    outcome = excluded.outcome,
    reason = excluded.reason,
    schedule = excluded.schedule,
    run_id = NULL,
    recorded_at = excluded.recorded_at,
    recorded_by = excluded.recorded_by
WHERE t.recorded_at > clock_timestamp()
RETURNING t.scheduled_for
