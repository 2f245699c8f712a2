-- From when to when a run lasted, and of which job it is; one row, none where there is no such run.
-- Of a run that goes on, the end is null.
-- Parameters: run_id.
SELECT
    r.job,
    r.started_at,
    r.finished_at
FROM reporting.runs AS r
WHERE r.run_id = %(run_id)s
