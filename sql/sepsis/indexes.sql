-- Lets a run find the visits that may be due without reading those that are settled. For the tables' owner to run by hand:
--     psql -v ON_ERROR_STOP=1 -f indexes.sql
-- Nothing is locked against reading or writing meanwhile. An index that a broken connection leaves INVALID: drop it, and run this again.
-- Without them all is found as well, only slower: every run reads the whole table.
-- The first: visits that last, or ended lately. The second: visits without a score; it stays small, and an update that leaves risk_level
-- as it is (most of those that renew a score) still fits on its page and touches no index.
CREATE INDEX CONCURRENTLY IF NOT EXISTS visits_discharged_at_idx ON public.visits (discharged_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS visits_without_score_idx ON public.visits (discharged_at) INCLUDE (visit_id, admitted_at)
WHERE risk_level IS NULL;
