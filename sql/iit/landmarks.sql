-- What a model is trained and evaluated on: one row per contact, up to `landmarks_each` of a patient.
-- They are contacts from the day on when treatment began, drawn by a hash, as of the evening of their day (or when they were recorded, if
-- later). label is 1 where no contact follows within `horizon` days, 0 where one does. Who dies or is transferred within them without having
-- come once more is neither, and left out; so is a contact whose `horizon` ends after the tables cease to be complete, and one that came to
-- be known after a later one was: nobody is scored as of that.
-- Parameters: landmarks_each, horizon, zone, evening.
WITH days AS (
    SELECT
        c.patient_uuid,
        c.on_date,
        min(GREATEST((c.on_date + CAST(:evening AS time)) AT TIME ZONE :zone, c.recorded_at)) AS as_of
    FROM (
        SELECT
            v.patient_uuid,
            v.visit_date AS on_date,
            v.recorded_at
        FROM iit.visits AS v
        UNION ALL
        SELECT
            o.patient_uuid,
            o.obs_date AS on_date,
            o.recorded_at
        FROM iit.obs AS o
        WHERE o.concept IN ('CD4', 'VIRAL_LOAD')
    ) AS c
    LEFT JOIN iit.patients AS p ON p.patient_uuid = c.patient_uuid
    LEFT JOIN iit.programmes AS g ON g.programme = p.programme
    WHERE isfinite(c.on_date)
      AND c.on_date <= COALESCE(g.complete_until, CAST(now() AT TIME ZONE :zone AS date))
    GROUP BY
        c.patient_uuid,
        c.on_date
),

followed AS (
    SELECT
        d.patient_uuid,
        d.on_date,
        d.as_of,
        lead(d.on_date) OVER (PARTITION BY d.patient_uuid ORDER BY d.on_date) AS next_date,
        min(d.as_of) OVER (PARTITION BY d.patient_uuid ORDER BY d.on_date ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS followed_at
    FROM days AS d
),

ended AS (
    SELECT
        f.*,
        LEAST(
            CASE WHEN p.died_on > f.on_date THEN p.died_on END,
            CASE WHEN p.transferred_on > f.on_date THEN p.transferred_on END
        ) AS ended_on
    FROM followed AS f
    JOIN iit.patients AS p ON p.patient_uuid = f.patient_uuid
    LEFT JOIN iit.programmes AS g ON g.programme = p.programme
    WHERE f.on_date >= p.art_start
      AND (f.followed_at <= f.as_of) IS NOT TRUE
      AND (p.died_on = f.on_date OR p.transferred_on = f.on_date) IS NOT TRUE
      AND f.on_date + CAST(:horizon AS integer) <= COALESCE(g.complete_until, CAST(now() AT TIME ZONE :zone AS date) - 1)
),

told AS (
    SELECT
        e.patient_uuid,
        e.on_date,
        e.as_of,
        CASE
            WHEN e.next_date <= LEAST(e.on_date + CAST(:horizon AS integer), e.ended_on) THEN 0
            WHEN e.ended_on <= e.on_date + CAST(:horizon AS integer) THEN NULL
            ELSE 1
        END AS label
    FROM ended AS e
),

drawn AS (
    SELECT
        t.*,
        row_number() OVER (PARTITION BY t.patient_uuid ORDER BY md5(t.patient_uuid || t.on_date)) AS place
    FROM told AS t
    WHERE t.label IS NOT NULL
)

SELECT
    r.patient_uuid AS entity_id,
    r.patient_uuid AS cohort,
    r.as_of,
    r.label
FROM drawn AS r
WHERE r.place <= CAST(:landmarks_each AS integer)
