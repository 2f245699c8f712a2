-- What a model learns from: one row per ownership and landmark, `first_landmark` after the purchase, then each `landmark_step`, until it is sold.
-- label: whether the parcel was sold again within `horizon`; NULL where that has not passed by the newest deed, or now. event_at: that sale.
-- Of several sales of a parcel on one day the one recorded last is the purchase. cohort keeps a parcel's ownerships on one side of a split.
-- Parameters: first_landmark, landmark_step, last_landmark, horizon.
SELECT
    s.sale AS entity_id,
    s.parcel AS cohort,
    l.as_of,
    CASE
        WHEN l.as_of + CAST(:horizon AS interval) > w.known_until THEN NULL
        WHEN n.sold_at <= l.as_of + CAST(:horizon AS interval) THEN 1
        ELSE 0
    END AS label,
    n.sold_at AS event_at
FROM (
    SELECT DISTINCT ON (d.parcel, d.sold_at)
        d.sale,
        d.parcel,
        d.sold_at,
        d.price
    FROM move.sales AS d
    WHERE d.sold_at BETWEEN TIMESTAMPTZ '1990-01-01 UTC' AND now()
    ORDER BY d.parcel, d.sold_at, COALESCE(d.recorded_at, d.sold_at) DESC, d.sale DESC
) AS s
JOIN move.parcels AS p ON p.parcel = s.parcel
CROSS JOIN (SELECT LEAST(max(d.sold_at), now()) AS known_until FROM move.sales AS d WHERE d.sold_at <= now()) AS w
LEFT JOIN LATERAL (
    SELECT min(a.sold_at) AS sold_at
    FROM move.sales AS a
    WHERE a.parcel = s.parcel
      AND a.sold_at > s.sold_at
) AS n ON true
CROSS JOIN LATERAL generate_series(
    s.sold_at + CAST(:first_landmark AS interval),
    LEAST(w.known_until, s.sold_at + CAST(:last_landmark AS interval)),
    CAST(:landmark_step AS interval)
) AS l (as_of)
WHERE (n.sold_at <= l.as_of) IS NOT TRUE
  AND s.price BETWEEN 20000 AND 30000000
