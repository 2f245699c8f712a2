-- Records a tick and the run that it set off; one row, or none where the tick was settled before.
-- Parameters: job, scheduled_for, outcome, reason, run_id, recorded_by.
INSERT INTO scorer.ticks (job, scheduled_for, outcome, reason, run_id, recorded_by)
VALUES (
    :job,
    :scheduled_for,
    :outcome,
    :reason,
    :run_id,
    :recorded_by
)
ON CONFLICT (job, scheduled_for) DO NOTHING
RETURNING scheduled_for
