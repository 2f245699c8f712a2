-- Whether a run has swept so recently that the next one need not; one row.
-- That run succeeded, enqueued all that was due, had the same job version, and began and was as of no earlier than the moments given. It
-- does not count where a later run judged by what was known at another time, or by a clock that has been put right since: a sweep looks
-- again at what that run judged.
-- Parameters: job, job_version, begun_since, as_of_since.
SELECT EXISTS (
    SELECT
    FROM scorer.runs AS r
    WHERE r.job = :job
      AND r.swept
      AND r.status = 'succeeded'
      AND r.job_version = :job_version
      AND r.started_at BETWEEN :begun_since AND now()
      AND r.as_of >= :as_of_since
      AND NOT EXISTS (
          SELECT
          FROM scorer.runs AS k
          WHERE k.job = r.job
            AND k.run_id > r.run_id
            AND k.as_known_at <> k.as_of
      )
      AND NOT EXISTS (
          SELECT
          FROM scorer.runs AS f
          WHERE f.job = r.job
            AND f.run_id > r.run_id
            AND f.trigger <> 'request'
            AND f.started_at > now()
      )
) AS swept
