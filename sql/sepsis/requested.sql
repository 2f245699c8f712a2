-- The asked visits that have begun, or that began nobody knows when (the suite holds it), each with the moment as of which it is scored:
-- now, or its end; or that begin ten years from now or later (due.sql says why). One row per visit, found by its key. What is asked for is anybody's text: only a whole number can be a visit.
-- Parameters: entity_ids (array), as_of.
SELECT
    CAST(v.visit_id AS text) AS entity_id,
    GREATEST(LEAST(v.discharged_at, :as_of), TIMESTAMPTZ '1900-01-01 UTC') AS as_of
FROM public.visits AS v
WHERE v.visit_id = ANY (
        ARRAY(
            SELECT CASE WHEN abs(CAST(e.entity_id AS numeric)) < 9223372036854775808 THEN CAST(e.entity_id AS bigint) END
            FROM unnest(CAST(:entity_ids AS text [])) AS e (entity_id)
            WHERE e.entity_id ~ '^-?[0-9]{1,19}$'
        )
    )
    AND ((v.admitted_at > :as_of) IS NOT TRUE OR v.admitted_at > CAST(:as_of AS timestamptz) + INTERVAL '10 years')
