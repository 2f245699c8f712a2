-- Whether a daemon that is alive answers requests of a job, also where no daemon is alive; one row.
-- One that does not say, since it has just begun or is of an older release, counts as one that does.
-- Parameters: job.
SELECT
    count(*) = 0 OR COALESCE(bool_or(d.jobs IS NULL OR :job = ANY (d.jobs)), false) AS answered
FROM scorer.daemons AS d
WHERE abs(EXTRACT(EPOCH FROM now() - d.beat_at)) < 60
