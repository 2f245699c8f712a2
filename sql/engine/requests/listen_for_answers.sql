-- Lets this session hear that requests were answered; no row.
-- A notification is a hint: what was missed is found by looking.
LISTEN scorer_answers
