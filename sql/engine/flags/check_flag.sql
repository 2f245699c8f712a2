-- Whether a flag is on for an entity of a facility; one row.
-- With it go what it is set to, null where it is not, and the entity's place.
-- Parameters: flag, entity_id, facility (both may be null).
SELECT
    scorer.is_enabled(:flag, :entity_id, :facility) AS is_on,
    scorer.flag_setting(:flag) AS setting,
    scorer.flag_bucket(:flag, :entity_id) AS bucket
