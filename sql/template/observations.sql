-- What was known of each client as of its time: one row per event that had happened by then, and was recorded by then.
-- A row without a date is given too: the suite refuses it, with a reason. known_from says since when a row is known; training needs it.
-- Parameters: entity_ids, as_ofs, known_ats (arrays, one element per client).
SELECT
    k.position,
    e.event_id AS observation_id,
    e.happened_at AS observation_date,
    e.kind AS observation_type_code,
    e.amount AS observation_value,
    CAST(NULL AS double precision) AS reference_range_min,
    CAST(NULL AS double precision) AS reference_range_max,
    COALESCE(e.recorded_at, e.happened_at) AS known_from
FROM unnest(:entity_ids, :as_ofs, :known_ats) WITH ORDINALITY AS k (entity_id, as_of, known_at, position)
JOIN template_data.events AS e ON e.client_id = k.entity_id
WHERE (e.happened_at > k.as_of) IS NOT TRUE
  AND (e.recorded_at > k.known_at) IS NOT TRUE
