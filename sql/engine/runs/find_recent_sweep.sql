-- Whether a run has looked at everyone lately, so that another need only look at who may have become due since; one row. That is one that
-- succeeded with all that was due, by the same job version, begun and as of no earlier than so; unless a run since then has judged by what
-- was known at another time, or by a clock that has been put right: what those judged, a sweep looks at again.
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
