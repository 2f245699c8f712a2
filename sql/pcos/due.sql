-- The women who may be assessed as of a time: one row per woman, as of `results_after` her newest examination, when the routine results are in
-- and the hormones are not. Left out is who is pregnant, breastfeeding, without uterus or ovaries, or past menopause: exclusion says so.
-- settled: that was over `recheck` ago.
-- Parameters: as_of, results_after, recheck.
SELECT DISTINCT ON (x.user_id)
    x.user_id AS entity_id,
    x.examined_at + CAST(:results_after AS interval) AS as_of,
    x.examined_at + CAST(:results_after AS interval) < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval) AS settled
FROM pcos.examinations AS x
WHERE x.examined_at <= CAST(:as_of AS timestamptz) - CAST(:results_after AS interval)
  AND x.examined_at >= TIMESTAMPTZ '1900-01-01 UTC'
  AND COALESCE(x.exclusion, '') = ''
ORDER BY
    x.user_id,
    x.examined_at DESC,
    x.exam_id DESC
