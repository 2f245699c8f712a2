-- Sets how many requests a minute a role may make; one row.
-- Parameters: role, per_minute (null: as without a quota of its own).
SELECT scorer.set_quota(:role, CAST(:per_minute AS integer)) AS per_minute
