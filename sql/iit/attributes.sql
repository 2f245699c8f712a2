-- What is known of each patient beside the contacts: one row per patient. A death or a transfer is told only from its day on; the suites
-- alone look at them.
--   programme_lost    of the programme's contacts in the year that ended 211 days ago, the share after which nobody came for 180 days;
--                     deaths and transfers within them are left out
--   programme_gap     mean days between contacts that follow within 180 days, of the half year that ended 31 days ago
--   programme_growth  contacts of the 90 days that ended 31 days ago, as a multiple of those a year before; 10 at most
-- They are NULL where fewer than 30 contacts tell. Contacts count once treatment has begun, and where they were recorded within 30 days: so
-- all of it was known long before the as-of time, and rows that come late change nothing of what was said of a day.
-- Parameters: entity_ids, as_ofs (arrays, one element per patient), zone, noon.
WITH asked AS MATERIALIZED (
    SELECT
        k.position,
        k.as_of,
        CAST(k.as_of AT TIME ZONE :zone AS date) AS on_date,
        p.programme,
        p.art_start,
        p.died_on,
        p.transferred_on
    FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
    JOIN iit.patients AS p ON p.patient_uuid = k.entity_id
),

spans AS MATERIALIZED (
    SELECT
        a.programme,
        min(a.on_date) AS first_date,
        max(a.on_date) AS last_date
    FROM asked AS a
    WHERE a.programme IS NOT NULL
    GROUP BY a.programme
),

contacts AS (
    SELECT
        s.programme,
        v.patient_uuid,
        v.visit_date AS on_date,
        p.died_on,
        p.transferred_on
    FROM spans AS s
    JOIN iit.patients AS p ON p.programme = s.programme
    JOIN iit.visits AS v ON v.patient_uuid = p.patient_uuid
    WHERE v.visit_date >= p.art_start
      AND v.visit_date BETWEEN s.first_date - 576 AND s.last_date - 31
      AND (CAST(v.recorded_at AT TIME ZONE :zone AS date) > v.visit_date + 30) IS NOT TRUE
    UNION
    SELECT
        s.programme,
        o.patient_uuid,
        o.obs_date,
        p.died_on,
        p.transferred_on
    FROM spans AS s
    JOIN iit.patients AS p ON p.programme = s.programme
    JOIN iit.obs AS o ON o.patient_uuid = p.patient_uuid
    WHERE o.obs_date >= p.art_start
      AND o.obs_date BETWEEN s.first_date - 576 AND s.last_date - 31
      AND (CAST(o.recorded_at AT TIME ZONE :zone AS date) > o.obs_date + 30) IS NOT TRUE
      AND o.concept IN ('CD4', 'VIRAL_LOAD')
),

followed AS (
    SELECT
        c.programme,
        c.on_date,
        c.on_date - lag(c.on_date) OVER patient AS gap,
        lead(c.on_date) OVER patient - c.on_date AS next_gap,
        (c.died_on BETWEEN c.on_date AND c.on_date + 180) IS TRUE
        OR (c.transferred_on BETWEEN c.on_date AND c.on_date + 180) IS TRUE AS ended
    FROM contacts AS c
    WINDOW patient AS (PARTITION BY c.patient_uuid ORDER BY c.on_date)
),

days AS (
    SELECT
        f.programme,
        f.on_date,
        count(*) AS contacts,
        count(*) FILTER (WHERE f.next_gap <= 180 OR NOT f.ended) AS told,
        count(*) FILTER (WHERE (f.next_gap <= 180) IS NOT TRUE AND NOT f.ended) AS lost,
        count(*) FILTER (WHERE f.gap <= 180) AS gaps,
        COALESCE(sum(f.gap) FILTER (WHERE f.gap <= 180), 0) AS gap_days
    FROM followed AS f
    GROUP BY
        f.programme,
        f.on_date
),

totals AS MATERIALIZED (
    SELECT
        s.programme,
        CAST(t.on_date AS date) AS on_date,
        sum(d.contacts) OVER so_far AS contacts,
        sum(d.told) OVER so_far AS told,
        sum(d.lost) OVER so_far AS lost,
        sum(d.gaps) OVER so_far AS gaps,
        sum(d.gap_days) OVER so_far AS gap_days
    FROM spans AS s
    CROSS JOIN LATERAL generate_series(s.first_date - 576, s.last_date - 31, INTERVAL '1 day') AS t (on_date)
    LEFT JOIN days AS d ON d.programme = s.programme AND d.on_date = CAST(t.on_date AS date)
    WINDOW so_far AS (PARTITION BY s.programme ORDER BY t.on_date)
),

moments AS (
    SELECT DISTINCT
        a.programme,
        a.on_date
    FROM asked AS a
),

rhythm AS MATERIALIZED (
    SELECT
        m.programme,
        m.on_date,
        COALESCE(t211.told, 0) - COALESCE(t576.told, 0) AS told,
        COALESCE(t211.lost, 0) - COALESCE(t576.lost, 0) AS lost,
        COALESCE(t31.gaps, 0) - COALESCE(t211.gaps, 0) AS gaps,
        COALESCE(t31.gap_days, 0) - COALESCE(t211.gap_days, 0) AS gap_days,
        COALESCE(t31.contacts, 0) - COALESCE(t121.contacts, 0) AS newest,
        COALESCE(t396.contacts, 0) - COALESCE(t486.contacts, 0) AS a_year_before
    FROM moments AS m
    LEFT JOIN totals AS t31 ON t31.programme = m.programme AND t31.on_date = m.on_date - 31
    LEFT JOIN totals AS t121 ON t121.programme = m.programme AND t121.on_date = m.on_date - 121
    LEFT JOIN totals AS t211 ON t211.programme = m.programme AND t211.on_date = m.on_date - 211
    LEFT JOIN totals AS t396 ON t396.programme = m.programme AND t396.on_date = m.on_date - 396
    LEFT JOIN totals AS t486 ON t486.programme = m.programme AND t486.on_date = m.on_date - 486
    LEFT JOIN totals AS t576 ON t576.programme = m.programme AND t576.on_date = m.on_date - 576
)

SELECT
    a.position,
    a.programme,
    (a.art_start + CAST(:noon AS time)) AT TIME ZONE :zone AS art_start_at,
    CASE WHEN (a.died_on + CAST(:noon AS time)) AT TIME ZONE :zone <= a.as_of THEN (a.died_on + CAST(:noon AS time)) AT TIME ZONE :zone END AS died_at,
    CASE
        WHEN (a.transferred_on + CAST(:noon AS time)) AT TIME ZONE :zone <= a.as_of
            THEN (a.transferred_on + CAST(:noon AS time)) AT TIME ZONE :zone
    END AS transferred_at,
    CASE
        WHEN (a.died_on + CAST(:noon AS time)) AT TIME ZONE :zone <= a.as_of THEN CAST(a.died_on - a.art_start AS double precision)
    END AS days_from_start_to_death,
    CASE WHEN r.told >= 30 THEN CAST(round(r.lost / r.told, 3) AS double precision) END AS programme_lost,
    CASE WHEN r.gaps >= 30 THEN CAST(round(r.gap_days / r.gaps, 1) AS double precision) END AS programme_gap,
    CASE
        WHEN r.newest >= 30 AND r.a_year_before >= 30 THEN CAST(round(LEAST(r.newest / r.a_year_before, 10), 2) AS double precision)
    END AS programme_growth
FROM asked AS a
LEFT JOIN rhythm AS r ON r.programme = a.programme AND r.on_date = a.on_date
