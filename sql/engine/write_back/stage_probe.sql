-- Stages a score that nothing gave, to see what write_back makes of it; no row.
-- Its transaction is rolled back.
-- Parameters: entity_id, score, risk_band, label, as_of.
INSERT INTO pg_temp.staged_write_back (entity_id, score, risk_band, label, as_of, scored_at, valid_until, since, recalled)
SELECT
    :entity_id,
    :score,
    :risk_band,
    :label,
    CAST(:as_of AS timestamptz),
    now(),
    now(),
    now(),
    false
