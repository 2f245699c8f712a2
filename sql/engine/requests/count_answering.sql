-- How many daemons are alive, and how many of them run a job; one row.
-- One that does not say, since it has just begun or is of an older release, counts as one that does.
-- Parameters: job.
SELECT
    count(*) AS alive,
    count(*) FILTER (WHERE d.jobs IS NULL OR :job = ANY (d.jobs)) AS answering
FROM scorer.daemons AS d
WHERE abs(EXTRACT(EPOCH FROM now() - d.beat_at)) < 60
