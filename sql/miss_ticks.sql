-- Records ticks as missed, leaving those that were settled before; one row per tick recorded.
-- Parameters: job, scheduled_for (array of times), reason, recorded_by.
INSERT INTO scorer.ticks (job, scheduled_for, outcome, reason, recorded_by)
SELECT
    :job,
    t.scheduled_for,
    'missed',
    :reason,
    :recorded_by
FROM unnest(CAST(:scheduled_for AS timestamptz [])) AS t (scheduled_for)
ON CONFLICT (job, scheduled_for) DO NOTHING
RETURNING scheduled_for
