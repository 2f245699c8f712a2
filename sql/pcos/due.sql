-- The women who may be assessed as of a time: one row per woman, as of `results_after` her newest examination, when the routine results are in
-- and the hormones are not. Left out is who is pregnant, breastfeeding, without uterus or ovaries, or past menopause, as exclusion of that
-- examination says; a score of an earlier one is taken back. settled: that was over `recheck` ago.
-- Parameters: as_of, results_after, recheck.
SELECT
    n.user_id AS entity_id,
    n.examined_at + CAST(:results_after AS interval) AS as_of,
    n.examined_at + CAST(:results_after AS interval) < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval) AS settled
FROM (
    SELECT DISTINCT ON (x.user_id)
        x.user_id,
        x.examined_at,
        x.exclusion
    FROM pcos.examinations AS x
    WHERE x.examined_at <= CAST(:as_of AS timestamptz) - CAST(:results_after AS interval)
      AND x.examined_at >= TIMESTAMPTZ '1900-01-01 UTC'
      AND x.user_id IS NOT NULL
    ORDER BY
        x.user_id,
        x.examined_at DESC,
        x.exam_id DESC
) AS n
WHERE COALESCE(n.exclusion, '') = ''
