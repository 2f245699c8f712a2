-- Cancels a request of one's own that still waits; one row, true if it did so.
-- Parameters: request_id.
SELECT scorer.cancel_request(:request_id) AS cancelled
