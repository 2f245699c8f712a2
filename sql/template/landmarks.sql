-- What a model learns from: one row per client and moment whose outcome is known. label is what came after that moment.
-- cohort keeps all rows of one client on the same side of every split.
SELECT
    o.client_id AS entity_id,
    o.client_id AS cohort,
    o.as_of,
    o.outcome AS label
FROM template_data.outcomes AS o
