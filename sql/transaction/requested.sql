-- The asked applications that were submitted, each as of its submission; one row per application, found by its key.
-- What is asked for is anybody's text: only a whole number can be an application.
-- Parameters: entity_ids (array), as_of.
SELECT
    CAST(a.application AS text) AS entity_id,
    GREATEST(LEAST(a.submitted_at, CAST(:as_of AS timestamptz)), TIMESTAMPTZ '1900-01-01 UTC') AS as_of
FROM transaction.applications AS a
WHERE a.application = ANY (
        ARRAY(
            SELECT CASE WHEN abs(CAST(e.entity_id AS numeric)) < 9223372036854775808 THEN CAST(e.entity_id AS bigint) END
            FROM unnest(CAST(:entity_ids AS text [])) AS e (entity_id)
            WHERE e.entity_id ~ '^-?[0-9]{1,19}$'
        )
    )
    AND (a.submitted_at > CAST(:as_of AS timestamptz)) IS NOT TRUE
