-- Takes facilities from a login again; one row: how many grants that were.
-- Parameters: login, facilities (array; null: all that was granted), every (the right to see all), job (null: of grants for all jobs).
SELECT scorer.revoke_facilities(:login, CAST(:facilities AS text []), :every, :job) AS revoked
