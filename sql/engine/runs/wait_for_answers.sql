-- Waits until every answer to a request of the job that is under way is committed, and lets none begin until this transaction ends; one
-- row. The last statement of the transaction that enqueues a run's work: an answer that did not see that work has then ended before a
-- worker claims it, so that no entity is judged by both at once.
-- Parameters: job.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('scorer.answers ' || :job, 0))
