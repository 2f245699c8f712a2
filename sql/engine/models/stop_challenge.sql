-- Stops a job's challenge, with a reason; one row: whether there was one.
-- Parameters: job, why.
SELECT scorer.stop_challenge(:job, :why) AS stopped
