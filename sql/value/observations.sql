-- What was known of each parcel's price as of its time: its own earlier sales, and a year of market reports; one row per number.
-- A sale counts once its deed is recorded, about a week later; one without a date is given too, and refused by the suite with a reason.
-- AREA_VALUE and CITY_VALUE are what this house would bring at the median price per square foot of its area, of the city.
-- The rows of a time are those of a year before it, so there is no known_from: training reads each landmark by itself.
-- Parameters: entity_ids, as_ofs, known_ats (arrays, one element per parcel).
SELECT
    k.position,
    s.sale AS observation_id,
    s.sold_at AS observation_date,
    'SALE_PRICE' AS observation_type_code,
    s.price AS observation_value,
    CAST(NULL AS double precision) AS reference_range_min,
    CAST(NULL AS double precision) AS reference_range_max,
    s.recorded_at,
    (
        SELECT date_part('day', s.sold_at - max(b.sold_at))
        FROM value.sales AS b
        WHERE b.parcel = s.parcel
          AND b.sold_at < s.sold_at
    ) AS days_since_sale_before
FROM unnest(:entity_ids, :as_ofs, :known_ats) WITH ORDINALITY AS k (entity_id, as_of, known_at, position)
JOIN value.sales AS s ON s.parcel = k.entity_id
WHERE (COALESCE(s.recorded_at, s.sold_at) > k.known_at) IS NOT TRUE
  AND (LEAST(s.sold_at, s.recorded_at) > k.as_of) IS NOT TRUE
UNION ALL
SELECT
    k.position,
    concat_ws(' ', n.code, CAST(m.reported_at AT TIME ZONE 'UTC' AS date)) AS observation_id,
    m.reported_at AS observation_date,
    n.code AS observation_type_code,
    n.value AS observation_value,
    CAST(NULL AS double precision) AS reference_range_min,
    CAST(NULL AS double precision) AS reference_range_max,
    m.reported_at AS recorded_at,
    CAST(NULL AS double precision) AS days_since_sale_before
FROM unnest(:entity_ids, :as_ofs, :known_ats) WITH ORDINALITY AS k (entity_id, as_of, known_at, position)
JOIN value.parcels AS p ON p.parcel = k.entity_id
JOIN value.markets AS m ON m.area IN (p.area, 'CITY')
CROSS JOIN LATERAL (
    VALUES
    (CASE WHEN m.area <> 'CITY' THEN 'AREA_PRICE' END, m.median_price),
    (CASE WHEN m.area <> 'CITY' THEN 'AREA_SALES' END, m.sales),
    (CASE WHEN m.area <> 'CITY' THEN 'AREA_PRICE_SF' ELSE 'CITY_PRICE_SF' END, m.median_price_sf),
    (CASE WHEN m.area <> 'CITY' THEN 'AREA_VALUE' ELSE 'CITY_VALUE' END, m.median_price_sf * p.tot_sf)
) AS n (code, value)
WHERE n.code IS NOT NULL
  AND m.reported_at <= LEAST(k.as_of, k.known_at)
  AND m.reported_at > k.as_of - INTERVAL '366 days'
