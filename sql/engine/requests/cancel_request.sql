-- Cancels a request that waits and that is one's own; one row, true where it did.
-- Parameters: request_id.
SELECT scorer.cancel_request(:request_id) AS cancelled
