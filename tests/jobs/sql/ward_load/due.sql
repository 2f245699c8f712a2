-- The wards that are open: one row per ward. None is ever settled.
-- Parameters: as_of.
SELECT
    w.ward AS entity_id,
    CAST(:as_of AS timestamptz) AS as_of,
    false AS settled
FROM wards.wards AS w
WHERE w.opened_at <= :as_of
