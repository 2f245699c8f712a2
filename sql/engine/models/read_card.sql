-- The card of a model version that is in force; one row, or none.
-- Parameters: job, model_version.
SELECT
    card,
    gaps,
    written_at,
    written_by
FROM scorer.model_cards
WHERE job = :job
  AND model_version = :model_version
ORDER BY card_id DESC
LIMIT 1
