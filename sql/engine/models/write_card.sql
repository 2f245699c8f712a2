-- Sets the card of a model version, in this login's name; one row: the fields that are not filled.
-- Parameters: job, model_version, card.
INSERT INTO scorer.model_cards (job, model_version, card)
VALUES (:job, :model_version, CAST(:card AS jsonb))
RETURNING gaps
