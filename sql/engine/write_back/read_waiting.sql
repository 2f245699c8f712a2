-- How many rows of the hospital's own table wait to be written or emptied for a job; one row.
-- With it goes for how long the oldest has. recalled: those of them that may show a recalled score.
-- Parameters: job.
SELECT
    count(*) AS entities,
    COALESCE(EXTRACT(EPOCH FROM now() - min(w.since)), 0)::double precision AS seconds,
    count(*) FILTER (WHERE w.recalled) AS recalled,
    COALESCE(EXTRACT(EPOCH FROM now() - min(w.since) FILTER (WHERE w.recalled)), 0)::double precision AS recalled_seconds
FROM scorer.write_backs AS w
WHERE w.job = :job
