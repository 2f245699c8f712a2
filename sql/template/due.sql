-- Which clients may be due: one row per client who has joined by the as-of time. Each is scored as of that time; none is ever settled.
-- Parameters: as_of.
SELECT
    c.client_id AS entity_id,
    CAST(:as_of AS timestamptz) AS as_of,
    false AS settled
FROM template_data.clients AS c
WHERE c.joined_at <= CAST(:as_of AS timestamptz)
