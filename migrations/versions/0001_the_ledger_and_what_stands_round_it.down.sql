-- Takes away all that the first revision made, every score included. The schemas and roles stay: other databases may use the roles.
-- A job's own reporting views stand on ours and go with them; the next upgrade makes them again.

DROP VIEW reporting.models CASCADE;
DROP VIEW reporting.validation CASCADE;
DROP VIEW reporting.quarantine CASCADE;
DROP VIEW reporting.runs CASCADE;
DROP VIEW reporting.score_history CASCADE;
DROP VIEW reporting.current_scores CASCADE;
DROP TABLE scorer.requests;
DROP TABLE scorer.validation_results;
DROP TABLE scorer.rejections;
DROP TABLE scorer.recalls;
DROP TABLE scorer.write_backs;
DROP TABLE scorer.current_scores;
DROP TABLE scorer.scores;
DROP TABLE scorer.work;
DROP TABLE scorer.batches;
DROP TABLE scorer.runs;
DROP TABLE scorer.model_events;
DROP TABLE scorer.model_versions;
DROP TABLE scorer.job_versions;
DROP FUNCTION scorer.move_model(text, text, text, text);
DROP FUNCTION scorer.record_model_event();
DROP FUNCTION scorer.check_model_step();
DROP FUNCTION scorer.refuse_change();
REVOKE ALL ON scorer.alembic_version FROM scorer_worker, scorer_approver;
REVOKE ALL ON SCHEMA scorer FROM scorer_worker, scorer_approver, scorer_requester;
REVOKE ALL ON SCHEMA reporting FROM scorer_worker, scorer_approver, scorer_requester, scorer_reader;
