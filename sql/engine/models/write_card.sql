-- Sets the card of a model version, in the name of whoever is connected; one row: the fields that nobody has filled.
-- Parameters: job, model_version, card.
INSERT INTO scorer.model_cards (job, model_version, card)
VALUES (:job, :model_version, CAST(:card AS jsonb))
RETURNING gaps
