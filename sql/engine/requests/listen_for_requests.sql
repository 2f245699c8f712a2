-- Lets this session hear that scores were asked for; no row. A hint: what was missed is found by looking.
LISTEN scorer_requests
