-- Records the definition of a job version, unless it is there already; no row.
-- The facility is told again where an older program, which did not know of it, recorded the version.
-- Parameters: job, job_version, definition, facility (the attribute that decides who may see a row; null: nobody is kept from any).
WITH told_anew AS (
    UPDATE scorer.job_versions AS v
    SET facility = :facility
    WHERE v.job = :job
      AND v.job_version = :job_version
      AND v.facility IS DISTINCT FROM CAST(:facility AS text)
)

INSERT INTO scorer.job_versions (job, job_version, definition, facility)
VALUES (:job, :job_version, CAST(:definition AS jsonb), :facility)
ON CONFLICT (job, job_version) DO NOTHING
