-- The patients on treatment as of a time: one row per patient seen since treatment began.
-- It is as of the newest such contact, a visit or a blood test: the evening of its day, or when it was recorded, if that is later.
-- settled: that was over `recheck` ago.
-- Who died or was transferred since the last contact is on treatment here no more, and left out: a score is taken back. Who came after that
-- is due: the suite holds the dead and tells of the transferred.
-- A patient of whom it is not known when treatment began is due too, and held by the suite. A time before 1900 is a mistake.
-- Contacts after a programme's tables cease to be complete count for nothing.
-- Parameters: as_of, recheck, zone, evening.
SELECT
    p.patient_uuid AS entity_id,
    GREATEST(c.as_of, TIMESTAMPTZ '1900-01-01 UTC') AS as_of,
    c.as_of < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval) AS settled
FROM iit.patients AS p
LEFT JOIN iit.programmes AS g ON g.programme = p.programme
CROSS JOIN LATERAL (
    SELECT
        w.on_date,
        w.as_of
    FROM (
        (
            SELECT
                v.visit_date AS on_date,
                GREATEST((v.visit_date + CAST(:evening AS time)) AT TIME ZONE :zone, v.recorded_at) AS as_of
            FROM iit.visits AS v
            WHERE v.patient_uuid = p.patient_uuid
              AND (v.visit_date < p.art_start) IS NOT TRUE
              AND (v.visit_date > g.complete_until) IS NOT TRUE
              AND GREATEST((v.visit_date + CAST(:evening AS time)) AT TIME ZONE :zone, v.recorded_at) <= CAST(:as_of AS timestamptz)
            ORDER BY v.visit_date DESC
            LIMIT 1
        )
        UNION ALL
        (
            SELECT
                o.obs_date AS on_date,
                GREATEST((o.obs_date + CAST(:evening AS time)) AT TIME ZONE :zone, o.recorded_at) AS as_of
            FROM iit.obs AS o
            WHERE o.patient_uuid = p.patient_uuid
              AND o.concept IN ('CD4', 'VIRAL_LOAD')
              AND (o.obs_date < p.art_start) IS NOT TRUE
              AND (o.obs_date > g.complete_until) IS NOT TRUE
              AND GREATEST((o.obs_date + CAST(:evening AS time)) AT TIME ZONE :zone, o.recorded_at) <= CAST(:as_of AS timestamptz)
            ORDER BY o.obs_date DESC
            LIMIT 1
        )
    ) AS w
    ORDER BY
        w.on_date DESC,
        w.as_of
    LIMIT 1
) AS c
WHERE (p.died_on BETWEEN c.on_date AND CAST(CAST(:as_of AS timestamptz) AT TIME ZONE :zone AS date)) IS NOT TRUE
  AND (p.transferred_on BETWEEN c.on_date AND CAST(CAST(:as_of AS timestamptz) AT TIME ZONE :zone AS date)) IS NOT TRUE
