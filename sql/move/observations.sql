-- What was known of each ownership's parcel and market as of its time: the sales of the parcel, and a year of market reports of its area.
-- A sale counts once its deed is recorded, about a week later; one without a date is given too, and refused by the suite with a reason.
-- The sale by which the ownership ends is after every as-of time, and so is never among them.
-- The rows of a time are those of a year before it, so there is no known_from: training reads each landmark by itself.
-- Parameters: entity_ids, as_ofs, known_ats (arrays, one element per ownership).
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
        FROM move.sales AS b
        WHERE b.parcel = s.parcel
          AND b.sold_at < s.sold_at
    ) AS days_since_sale_before
FROM unnest(:entity_ids, :as_ofs, :known_ats) WITH ORDINALITY AS k (entity_id, as_of, known_at, position)
JOIN move.sales AS o ON o.sale = k.entity_id
JOIN move.sales AS s ON s.parcel = o.parcel
WHERE (COALESCE(s.recorded_at, s.sold_at) > k.known_at) IS NOT TRUE
  AND (LEAST(s.sold_at, s.recorded_at) > k.as_of) IS NOT TRUE
  AND (s.sold_at > o.sold_at) IS NOT TRUE
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
JOIN move.sales AS o ON o.sale = k.entity_id
JOIN move.parcels AS p ON p.parcel = o.parcel
JOIN move.markets AS m ON m.area = p.area
CROSS JOIN LATERAL (VALUES ('AREA_PRICE', m.median_price), ('AREA_SALES', m.sales)) AS n (code, value)
WHERE m.reported_at <= LEAST(k.as_of, k.known_at)
  AND m.reported_at > k.as_of - INTERVAL '366 days'
