-- Draws the key of the batch that is about to be written; one row.
SELECT nextval('scorer.batches_batch_id_seq') AS batch_id
