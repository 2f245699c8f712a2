-- Records a tick and the run that it set off; no row.
-- A settled tick stays as it is, except what a wrong clock settled in the future.
-- Parameters: job, scheduled_for, outcome, reason, schedule, run_id, recorded_by.
INSERT INTO scorer.ticks AS t (job, scheduled_for, outcome, reason, schedule, run_id, recorded_by)
VALUES (
    :job,
    :scheduled_for,
    :outcome,
    :reason,
    :schedule,
    :run_id,
    :recorded_by
)
ON CONFLICT (job, scheduled_for) DO UPDATE
SET
    outcome = excluded.outcome,
    reason = excluded.reason,
    schedule = excluded.schedule,
    run_id = excluded.run_id,
    recorded_at = excluded.recorded_at,
    recorded_by = excluded.recorded_by
WHERE t.recorded_at > clock_timestamp()
