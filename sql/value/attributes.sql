-- What is known of each parcel beside prices: one row per parcel. The characteristics are one snapshot of the assessor's file.
-- The years counted from the last great remodelling are left out: one after a sale would be told to it.
-- Parameters: entity_ids, as_ofs (arrays, one element per parcel).
SELECT
    k.position,
    p.area,
    p.use_type,
    p.lot_sf,
    p.tot_sf,
    p.waterfront,
    p.bldg_grade,
    p.beds,
    p.baths,
    p.baths - p.beds AS baths_beyond_beds,
    date_part('year', k.as_of AT TIME ZONE 'America/Los_Angeles') - p.year_built AS age_years,
    p.latitude,
    p.longitude
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN value.parcels AS p ON p.parcel = k.entity_id
