-- The parcels whose market moved: one row per parcel, of an area with a market report within `recheck`.
-- A parcel is valued as of the run, but no later than `report_holds` after its area's last report: nothing is known of the market since. A
-- time before 1900 is a mistake.
-- A sweep looks at every parcel; one whose area reports no more is settled. A parcel of an area without any report is due: it is INSUFFICIENT.
-- Parameters: as_of, recheck, report_holds, sweep, entity_ids (array: parcels to look at, settled or not).
SELECT
    p.parcel AS entity_id,
    GREATEST(LEAST(m.reported_at + CAST(:report_holds AS interval), CAST(:as_of AS timestamptz)), TIMESTAMPTZ '1900-01-01 UTC') AS as_of,
    COALESCE(m.reported_at < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval), false) AS settled
FROM value.parcels AS p
LEFT JOIN (
    SELECT
        r.area,
        max(r.reported_at) AS reported_at
    FROM value.markets AS r
    WHERE r.reported_at <= CAST(:as_of AS timestamptz)
    GROUP BY r.area
) AS m ON m.area = p.area
WHERE CAST(:sweep AS boolean)
   OR (m.reported_at < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval)) IS NOT TRUE
   OR p.parcel = ANY (CAST(:entity_ids AS text []))
