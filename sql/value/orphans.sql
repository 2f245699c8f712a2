-- Sales of parcels that do not exist: one row per such parcel (empty where the sale names none).
-- Parameters: sweep, entity_ids (array: parcels that are known not to exist).
SELECT
    COALESCE(s.parcel, '') AS entity_id,
    count(*) AS observations
FROM value.sales AS s
WHERE NOT EXISTS (SELECT FROM value.parcels AS p WHERE p.parcel = s.parcel)
  AND (CAST(:sweep AS boolean) OR s.parcel = ANY (CAST(:entity_ids AS text [])) OR s.recorded_at > now() - INTERVAL '7 days')
GROUP BY COALESCE(s.parcel, '')
