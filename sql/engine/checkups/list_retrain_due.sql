-- Why a job's model is due for training, or is not; one row per reason.
-- Parameters: job.
SELECT
    d.reason,
    d.due,
    d.detail,
    d.since
FROM reporting.retrain_due AS d
WHERE d.job = :job
ORDER BY d.due DESC, d.reason
