-- What the newest checkup found of each model in production; one row per job with such a model.
-- live are its live figures, own those of its manifest, by the names that the job's task has for them; with them comes whether the model is
-- due for training.
SELECT
    m.job,
    c.worst_psi,
    c.score_psi,
    (
        SELECT jsonb_object_agg(p.metric, p.value)
        FROM scorer.live_performance AS p
        WHERE p.checkup_id = c.checkup_id
          AND p.facility = ''
          AND p.value IS NOT NULL
    ) AS live,
    (
        SELECT jsonb_object_agg(f.key, f.value -> 'value')
        FROM jsonb_each(CASE WHEN jsonb_typeof(m.metrics) = 'object' THEN m.metrics END) AS f
        WHERE jsonb_typeof(f.value -> 'value') = 'number'
    ) AS own,
    due.due
FROM reporting.models AS m
JOIN (
    SELECT
        d.job,
        bool_or(d.due) AS due
    FROM reporting.retrain_due AS d
    GROUP BY d.job
) AS due ON due.job = m.job
LEFT JOIN LATERAL (
    SELECT
        k.checkup_id,
        k.worst_psi,
        k.score_psi
    FROM scorer.checkups AS k
    WHERE k.job = m.job
      AND k.model_version = m.model_version
    ORDER BY k.checkup_id DESC
    LIMIT 1
) AS c ON true
WHERE m.status = 'production'
ORDER BY m.job
