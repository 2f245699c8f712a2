-- The ownerships that may end: one row per purchase since `first_landmark` after which the parcel was not sold again. entity_id is the sale.
-- Each is scored as of the run, but no later than `report_holds` after its area's last market report: nothing is known of the market since.
-- One that was sold again is scored as of that sale, and is settled once `recheck` has passed since its deed was recorded.
-- Of several sales of a parcel on one day the one recorded last is the purchase. A purchase after the as-of time is none yet.
-- Parameters: as_of, first_landmark, report_holds, recheck, sweep, entity_ids (array: ownerships to look at, settled or not).
SELECT
    o.sale AS entity_id,
    GREATEST(o.as_of, o.sold_at, TIMESTAMPTZ '1900-01-01 UTC') AS as_of,
    o.settled
FROM (
    SELECT
        s.sale,
        s.sold_at,
        LEAST(n.sold_at, m.reported_at + CAST(:report_holds AS interval), CAST(:as_of AS timestamptz)) AS as_of,
        COALESCE(
            LEAST(n.recorded_at, m.reported_at + CAST(:report_holds AS interval)) < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval), false
        ) AS settled
    FROM move.sales AS s
    JOIN move.parcels AS p ON p.parcel = s.parcel
    LEFT JOIN (
        SELECT
            r.area,
            max(r.reported_at) AS reported_at
        FROM move.markets AS r
        WHERE r.reported_at <= CAST(:as_of AS timestamptz)
        GROUP BY r.area
    ) AS m ON m.area = p.area
    LEFT JOIN LATERAL (
        SELECT
            a.sold_at,
            COALESCE(a.recorded_at, a.sold_at) AS recorded_at
        FROM move.sales AS a
        WHERE a.parcel = s.parcel
          AND a.sold_at > s.sold_at
          AND COALESCE(a.recorded_at, a.sold_at) <= CAST(:as_of AS timestamptz)
        ORDER BY a.sold_at
        LIMIT 1
    ) AS n ON true
    WHERE COALESCE(s.recorded_at, s.sold_at) <= CAST(:as_of AS timestamptz)
      AND (s.sold_at > CAST(:as_of AS timestamptz) - CAST(:first_landmark AS interval)) IS NOT TRUE
      AND NOT EXISTS (
          SELECT
          FROM move.sales AS d
          WHERE d.parcel = s.parcel
            AND d.sold_at = s.sold_at
            AND d.sale <> s.sale
            AND (COALESCE(d.recorded_at, d.sold_at), d.sale) > (COALESCE(s.recorded_at, s.sold_at), s.sale)
      )
      AND (n.sold_at < s.sold_at + CAST(:first_landmark AS interval)) IS NOT TRUE
) AS o
WHERE CAST(:sweep AS boolean)
   OR NOT o.settled
   OR o.sale = ANY (CAST(:entity_ids AS text []))
