-- Marks requests whose deadline has passed as expired; one row per request.
-- Those that a session is answering this moment are skipped: it expires them itself, should it be late.
SELECT
    e.request_id,
    e.job
FROM scorer.expire_requests() AS e
