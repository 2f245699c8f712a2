-- What was refused, open by now, and come or gone in a time; one row per job, rule and action.
-- expected is what the rule asks for, never what was seen. entities are those with open findings, in order, twenty at most and none
-- unless they are asked for.
-- Parameters: jobs (NULL: all), since, until, entities.
SELECT
    q.job,
    q.rule,
    q.action,
    min(q.expected) AS expected,
    count(*) FILTER (WHERE q.resolved_at IS NULL) AS open_findings,
    count(DISTINCT q.entity_id) FILTER (WHERE q.resolved_at IS NULL) AS open_entities,
    count(*) FILTER (WHERE q.first_seen_at >= %(since)s AND q.first_seen_at < %(until)s) AS came,
    count(*) FILTER (WHERE q.resolved_at >= %(since)s AND q.resolved_at < %(until)s) AS went,
    min(q.first_seen_at) FILTER (WHERE q.resolved_at IS NULL) AS open_since,
    CASE WHEN %(entities)s THEN
        COALESCE((array_agg(DISTINCT q.entity_id ORDER BY q.entity_id) FILTER (WHERE q.resolved_at IS NULL))[1:20], CAST('{}' AS text []))
        ELSE CAST('{}' AS text [])
    END AS entities
FROM reporting.quarantine AS q
WHERE (q.resolved_at IS NULL OR q.resolved_at >= %(since)s)
  AND q.first_seen_at < %(until)s
  AND (CAST(%(jobs)s AS text []) IS NULL OR q.job = ANY(CAST(%(jobs)s AS text [])))
GROUP BY q.job, q.rule, q.action
ORDER BY q.job, count(*) FILTER (WHERE q.resolved_at IS NULL) DESC, q.rule, q.action
