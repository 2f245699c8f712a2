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
REVOKE INSERT (priority) ON scorer.requests FROM scorer_requester;
REVOKE INSERT (job, entity_id, priority) ON scorer.requests FROM scorer_worker;
ALTER TABLE scorer.requests
    DROP CONSTRAINT requests_refused_say_why,
    DROP CONSTRAINT requests_done_say_how,
    DROP COLUMN run_id,
    DROP COLUMN outcome,
    DROP COLUMN priority,
    ALTER COLUMN requested_at SET DEFAULT now();
COMMENT ON COLUMN scorer.requests.score_id IS 'Ledger row that answers it.';
DROP TABLE scorer.daemons;
DROP TABLE scorer.breakers;
DROP TABLE scorer.ticks;
