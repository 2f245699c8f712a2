-- Takes away what the daemon kept: which ticks ran, breakers, arrivals, and how requests were answered. Runs and scores stay.

DROP VIEW reporting.health;
DROP VIEW reporting.request_statistics;
DROP VIEW reporting.requests;
DROP VIEW reporting.ticks;
DROP INDEX scorer.runs_scheduled;
DROP FUNCTION scorer.look_around();
DROP FUNCTION scorer.cancel_request(bigint);
DROP FUNCTION scorer.request_score(text, text []);
DROP TRIGGER requests_answered ON scorer.requests;
DROP FUNCTION scorer.announce_answers();
DROP TRIGGER requests_announced ON scorer.requests;
DROP FUNCTION scorer.announce_requests();
DROP TABLE scorer.arrivals;
DROP INDEX scorer.requests_by_time;
DROP INDEX scorer.requests_waiting;
CREATE INDEX requests_waiting ON scorer.requests (job, request_id) WHERE status = 'waiting';
REVOKE SELECT ON scorer.alembic_version FROM scorer_requester;
REVOKE SELECT (request_id, job, status, priority, requested_at, finished_at) ON scorer.requests FROM scorer_requester;
GRANT SELECT ON scorer.requests TO scorer_requester;
REVOKE INSERT (priority) ON scorer.requests FROM scorer_requester;
REVOKE INSERT (job, entity_id, priority) ON scorer.requests FROM scorer_worker;
ALTER TABLE scorer.requests
    DROP CONSTRAINT requests_entity_id_is_short,
    DROP CONSTRAINT requests_priority_is_modest,
    DROP CONSTRAINT requests_refused_say_why,
    DROP CONSTRAINT requests_done_say_how,
    DROP COLUMN run_id,
    DROP COLUMN outcome,
    DROP COLUMN priority,
    ALTER COLUMN requested_at SET DEFAULT now();
COMMENT ON COLUMN scorer.requests.score_id IS 'Ledger row that answers it.';
COMMENT ON TABLE scorer.validation_results IS 'What each rule of each suite found: one row per batch and rule; counts, no patient''s value.';
DROP TABLE scorer.daemons;
DROP TABLE scorer.breakers;
DROP TABLE scorer.ticks;
