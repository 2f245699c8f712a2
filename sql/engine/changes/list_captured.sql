-- What was captured of a job since a snapshot; one row per change.
-- Without observation_id all rows of the entity may be others; without entity_id those of all entities.
-- A change is new if the transaction that made it was not to be seen in that snapshot, and is to be seen now, whenever it began and in
-- whatever order transactions ended.
-- Where there are as many as are asked for at most, there may be more.
-- Parameters: captured_job, kept_snapshot, most_changes.
SELECT
    c.entity_id,
    c.observation_id
FROM scorer.captured_changes AS c
WHERE c.job = :captured_job
  AND c.changed_in >= pg_snapshot_xmin(CAST(:kept_snapshot AS pg_snapshot))
  AND NOT pg_visible_in_snapshot(c.changed_in, CAST(:kept_snapshot AS pg_snapshot))
LIMIT CAST(:most_changes AS bigint)
