-- The settings of this session among those that are named; one row each.
-- Parameters: names.
SELECT
    n.name,
    current_setting(n.name) AS value
FROM unnest(CAST(:names AS text[])) AS n(name)
