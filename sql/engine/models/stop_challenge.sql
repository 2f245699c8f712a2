-- Stops a job's challenge, with the reason; one row: whether one stood.
-- Parameters: job, why.
SELECT scorer.stop_challenge(:job, :why) AS stopped
