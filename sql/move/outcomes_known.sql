-- Whether scored ownerships have ended: one row per score, with the label as landmarks.sql has it: NULL until `horizon` has passed.
-- Parameters: entity_ids, as_ofs (arrays, one element per score), horizon.
SELECT
    k.position,
    CASE
        WHEN k.as_of + CAST(:horizon AS interval) > LEAST(w.known_until, now()) THEN NULL
        WHEN n.sold_at <= k.as_of + CAST(:horizon AS interval) THEN 1
        ELSE 0
    END AS label
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN move.sales AS s ON s.sale = k.entity_id
CROSS JOIN (SELECT max(d.sold_at) AS known_until FROM move.sales AS d WHERE d.sold_at <= now()) AS w
LEFT JOIN LATERAL (
    SELECT min(a.sold_at) AS sold_at
    FROM move.sales AS a
    WHERE a.parcel = s.parcel
      AND a.sold_at > s.sold_at
) AS n ON true
WHERE (n.sold_at <= k.as_of) IS NOT TRUE
