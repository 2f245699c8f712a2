-- What valued parcels were sold for: one row per score that a sale followed within `sold_within`, with the price of the first.
-- Of several sales of a day the one recorded last counts, and a price that is none is NULL, as in landmarks.sql.
-- Parameters: entity_ids, as_ofs (arrays, one element per score), sold_within.
SELECT
    k.position,
    CASE WHEN f.price BETWEEN 20000 AND 30000000 THEN f.price END AS label
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
CROSS JOIN LATERAL (
    SELECT s.price
    FROM value.sales AS s
    WHERE s.parcel = k.entity_id
      AND s.sold_at >= k.as_of
      AND s.sold_at < k.as_of + CAST(:sold_within AS interval)
      AND s.sold_at <= now()
    ORDER BY s.sold_at, s.recorded_at DESC NULLS LAST, s.sale DESC
    LIMIT 1
) AS f
