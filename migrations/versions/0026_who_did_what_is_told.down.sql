DROP VIEW reporting.audit;
DROP FUNCTION reporting.record_audit(text, text, text, jsonb);
REVOKE UPDATE (status, finished_at, score_id, reason, outcome, run_id, run_began_at, answered, scored, failed, absent) ON scorer.requests FROM scorer_worker;
REVOKE UPDATE (outcome, reason, score_id, answered_at) ON scorer.request_entities FROM scorer_worker;
GRANT UPDATE ON scorer.requests, scorer.request_entities TO scorer_worker;
DROP TRIGGER job_switches_no_truncate ON scorer.job_switches;
DROP TRIGGER job_switches_append_only ON scorer.job_switches;
DROP TABLE scorer.audit_events;
