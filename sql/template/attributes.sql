-- What is known of each client beside its events: one row per client. Only what never changes, or was so as of the time, belongs here.
-- Parameters: entity_ids, as_ofs (arrays, one element per client).
SELECT
    k.position,
    c.joined_at,
    c.region,
    c.age_years
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN template_data.clients AS c ON c.client_id = k.entity_id
