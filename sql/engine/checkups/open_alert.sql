-- Opens an alert, or renews the detail of the one that is open; one row: its key.
-- The caller has locked the job's checkups.
-- Parameters: job, kind, model_version, detail.
INSERT INTO scorer.alerts AS a (job, kind, model_version, detail)
VALUES (:job, :kind, :model_version, :detail)
ON CONFLICT (job, kind) WHERE ended_at IS NULL DO UPDATE
SET detail = EXCLUDED.detail
RETURNING a.alert_id
