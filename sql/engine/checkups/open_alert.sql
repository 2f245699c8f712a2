-- Keeps an alert open, or opens it; one row, whether it is new. Whoever runs this keeps the job's checkups alone.
-- Parameters: job, kind, model_version, detail.
INSERT INTO scorer.alerts AS a (job, kind, model_version, detail)
VALUES (:job, :kind, :model_version, :detail)
ON CONFLICT (job, kind) WHERE ended_at IS NULL DO UPDATE
SET detail = EXCLUDED.detail
RETURNING a.alert_id
