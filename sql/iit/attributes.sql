-- What is known of each patient beside the contacts: one row per patient. A death or a transfer is told only from its day on; the suites
-- alone look at them.
-- Parameters: entity_ids, as_ofs (arrays, one element per patient), zone, noon.
SELECT
    k.position,
    p.programme,
    (p.art_start + CAST(:noon AS time)) AT TIME ZONE :zone AS art_start_at,
    CASE WHEN (p.died_on + CAST(:noon AS time)) AT TIME ZONE :zone <= k.as_of THEN (p.died_on + CAST(:noon AS time)) AT TIME ZONE :zone END AS died_at,
    CASE
        WHEN (p.transferred_on + CAST(:noon AS time)) AT TIME ZONE :zone <= k.as_of
            THEN (p.transferred_on + CAST(:noon AS time)) AT TIME ZONE :zone
    END AS transferred_at,
    CASE
        WHEN (p.died_on + CAST(:noon AS time)) AT TIME ZONE :zone <= k.as_of THEN CAST(p.died_on - p.art_start AS double precision)
    END AS days_from_start_to_death
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN iit.patients AS p ON p.patient_uuid = k.entity_id
