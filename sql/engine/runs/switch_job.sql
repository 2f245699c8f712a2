-- Records that a job was enabled or disabled; one row, or none where it was so already.
-- Whether the job is enabled without a row of its own, only the program knows.
-- Parameters: job, enabled, by_default (whether the job is enabled while it has no row).
INSERT INTO scorer.job_switches (job, enabled)
SELECT
    CAST(:job AS text),
    CAST(:enabled AS boolean)
WHERE CAST(:enabled AS boolean) <> COALESCE(
    (SELECT s.enabled FROM scorer.job_switches AS s WHERE s.job = :job ORDER BY s.switch_id DESC LIMIT 1),
    CAST(:by_default AS boolean)
)
RETURNING switch_id
