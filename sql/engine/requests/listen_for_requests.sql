-- Lets this session hear that scores were requested; no row.
-- A notification is a hint: what was missed is found by looking.
LISTEN scorer_requests
