-- The asked reports that have been given, each with the moment as of which it is scored, as due.sql has it: one row per report.
-- What is asked for is anybody's text: only a whole number can be a report.
-- Parameters: entity_ids (array), as_of, late.
SELECT
    CAST(r.report_id AS text) AS entity_id,
    GREATEST(LEAST(r.interviewed_at + CAST(:late AS interval), CAST(:as_of AS timestamptz)), TIMESTAMPTZ '1900-01-01 UTC') AS as_of
FROM symptoms.reports AS r
WHERE r.report_id = ANY (
        ARRAY(
            SELECT CASE WHEN abs(CAST(e.entity_id AS numeric)) < 9223372036854775808 THEN CAST(e.entity_id AS bigint) END
            FROM unnest(CAST(:entity_ids AS text [])) AS e (entity_id)
            WHERE e.entity_id ~ '^-?[0-9]{1,19}$'
        )
    )
    AND (r.interviewed_at > CAST(:as_of AS timestamptz)) IS NOT TRUE
