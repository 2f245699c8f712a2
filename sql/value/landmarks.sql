-- What a model learns from: one row per parcel and day on which it was sold, as of that day's beginning. label is the price, in dollars.
-- Of several sales of a day the one recorded last counts. A price of a gift or a slip of the pen is no price: label is NULL there.
-- cohort keeps all sales of one parcel on the same side of every split by client.
SELECT DISTINCT ON (s.parcel, s.sold_at)
    s.parcel AS entity_id,
    s.parcel AS cohort,
    s.sold_at AS as_of,
    CASE WHEN s.price BETWEEN 20000 AND 30000000 THEN s.price END AS label
FROM value.sales AS s
JOIN value.parcels AS p ON p.parcel = s.parcel
WHERE s.sold_at BETWEEN TIMESTAMPTZ '1990-01-01 UTC' AND now()
ORDER BY s.parcel, s.sold_at, s.recorded_at DESC NULLS LAST, s.sale DESC
