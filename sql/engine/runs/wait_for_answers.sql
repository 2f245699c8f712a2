-- Waits until no answer to a request of the job is under way, and lets none begin; one row, empty.
-- That lasts until this transaction ends. This is the last statement of the transaction that enqueues a run's work: an answer that did not
-- see that work has then ended before a worker claims it, so that no entity is judged by both at once.
-- Parameters: job.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('scorer.answers ' || :job, 0))
