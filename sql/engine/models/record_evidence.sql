-- Records what was found when a model version was tried, in this login's name; one row: its key.
-- Parameters: job, model_version, sha256, kind, fingerprint, host, result.
INSERT INTO scorer.model_evidence (job, model_version, sha256, kind, fingerprint, host, result)
VALUES (:job, :model_version, :sha256, :kind, CAST(:fingerprint AS jsonb), :host, CAST(:result AS jsonb))
RETURNING evidence_id
