-- Records an act of the login; one row, empty.
-- Parameters: action, job, subject, detail.
SELECT reporting.record_audit(:action, :job, :subject, CAST(:detail AS jsonb))
