-- A view loses a column by being made anew.
DROP VIEW reporting.models;
CREATE VIEW reporting.models AS
SELECT
    m.job,
    m.model_version,
    m.status,
    m.sha256,
    m.registered_at,
    m.promoted_at,
    m.registered_by,
    (m.manifest #>> '{metrics,auroc,value}')::double precision AS auroc,
    (m.manifest #>> '{metrics,average_precision,value}')::double precision AS average_precision,
    (m.manifest #>> '{metrics,brier,value}')::double precision AS brier,
    m.manifest -> 'metrics' AS metrics,
    (
        SELECT e.done_by
        FROM scorer.model_events AS e
        WHERE e.job = m.job
          AND e.model_version = m.model_version
          AND e.to_status = 'production'
        ORDER BY e.event_id DESC
        LIMIT 1
    ) AS promoted_by,
    COALESCE(
        (
            SELECT c.gaps IS NULL
            FROM scorer.model_cards AS c
            WHERE c.job = m.job
              AND c.model_version = m.model_version
            ORDER BY c.card_id DESC
            LIMIT 1
        ),
        false
    ) AS card_filled,
    (
        SELECT jsonb_object_agg(newest.kind, newest.recorded_at)
        FROM (
            SELECT
                e.kind,
                max(e.recorded_at) AS recorded_at
            FROM scorer.model_evidence AS e
            WHERE e.job = m.job
              AND e.model_version = m.model_version
            GROUP BY e.kind
        ) AS newest
    ) AS evidence,
    EXISTS (SELECT FROM scorer.model_artefacts AS a WHERE a.job = m.job AND a.model_version = m.model_version) AS stored
FROM scorer.model_versions AS m;
COMMENT ON VIEW reporting.models IS 'One row per registered model version, with its metrics and their intervals, who promoted it last, whether its card is filled, when evidence of each kind was last recorded, and whether the database holds its bytes.';
GRANT SELECT ON reporting.models TO scorer_worker, scorer_approver, scorer_reader;
