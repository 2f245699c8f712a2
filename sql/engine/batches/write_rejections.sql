-- Records the staged rejections; one row per finding.
-- A finding that is open already is counted as seen once more; any other is opened.
-- Parameters: job, run_id.
INSERT INTO scorer.rejections AS r (job, entity_id, observation_id, rule, action, column_name, observed, expected, run_id)
SELECT DISTINCT ON (s.entity_id, s.rule, s.observation_id)
    :job,
    s.entity_id,
    s.observation_id,
    s.rule,
    s.action,
    s.column_name,
    s.observed,
    s.expected,
    :run_id
FROM pg_temp.staged_rejections AS s
ORDER BY
    s.entity_id,
    s.rule,
    s.observation_id,
    s.observed
ON CONFLICT (job, entity_id, rule, observation_id) WHERE resolved_at IS NULL DO UPDATE
SET
    last_seen_at = now(),
    attempts = r.attempts + 1,
    action = excluded.action,
    observed = excluded.observed,
    expected = excluded.expected,
    run_id = excluded.run_id
