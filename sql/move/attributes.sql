-- What is known of each ownership beside its observations: one row per ownership. Place, lot, type and year of the house do not change.
-- The size and grade of the house are left out, with the years since its last remodelling: they are those of the newest assessment, which a
-- resale brings about. So is the waterfront, with a handful of houses. same_day_sales counts the sales of the parcel on the day of the purchase.
-- owned_days is for subgroups alone. price_to_area: the price of the purchase to the area's median then, by the last market report before it.
-- Parameters: entity_ids, as_ofs (arrays, one element per ownership).
SELECT
    k.position,
    s.sold_at AS bought_at,
    date_part('day', k.as_of - s.sold_at) AS owned_days,
    s.price,
    s.price / NULLIF(m.median_price, 0) AS price_to_area,
    s.price / NULLIF(b.price, 0) AS price_to_price_before,
    date_part('day', s.sold_at - b.sold_at) AS days_since_sale_before,
    date_part('year', s.sold_at AT TIME ZONE 'America/Los_Angeles') - p.year_built AS age_years,
    date_part('month', s.sold_at AT TIME ZONE 'America/Los_Angeles') AS bought_in_month,
    (SELECT CAST(count(*) AS double precision) FROM move.sales AS d WHERE d.parcel = s.parcel AND d.sold_at = s.sold_at) AS same_day_sales,
    p.lot_sf,
    p.latitude,
    p.longitude,
    p.area,
    p.use_type
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN move.sales AS s ON s.sale = k.entity_id
JOIN move.parcels AS p ON p.parcel = s.parcel
LEFT JOIN LATERAL (
    SELECT r.median_price
    FROM move.markets AS r
    WHERE r.area = p.area
      AND r.reported_at <= s.sold_at
    ORDER BY r.reported_at DESC
    LIMIT 1
) AS m ON true
LEFT JOIN LATERAL (
    SELECT
        e.price,
        e.sold_at
    FROM move.sales AS e
    WHERE e.parcel = s.parcel
      AND e.sold_at < s.sold_at
      AND e.price BETWEEN 20000 AND 30000000
    ORDER BY e.sold_at DESC
    LIMIT 1
) AS b ON true
