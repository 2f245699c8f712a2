-- The features of each model version, in words and figures, from its manifest. A manifest of an earlier version has no words, and of the
-- figures the null rate and the importance alone.

CREATE VIEW reporting.features AS
SELECT
    v.job,
    v.model_version,
    v.status,
    named.feature,
    f.entry ->> 'meaning' AS meaning,
    f.entry ->> 'unit' AS unit,
    f.entry ->> 'group' AS feature_group,
    f.entry ->> 'code' AS code,
    f.entry ->> 'statistic' AS statistic,
    f.entry ->> 'window' AS feature_window,
    -- What is no number in a manifest from elsewhere is as if it were not there.
    (jsonb_path_query_first(f.entry, '$.min ? (@.type() == "number")'))::double precision AS min,
    (jsonb_path_query_first(f.entry, '$.max ? (@.type() == "number")'))::double precision AS max,
    (jsonb_path_query_first(f.entry, '$.mean ? (@.type() == "number")'))::double precision AS mean,
    (jsonb_path_query_first(f.entry, '$.sd ? (@.type() == "number")'))::double precision AS sd,
    COALESCE(
        jsonb_path_query_first(f.entry, '$.null_rate ? (@.type() == "number")'),
        jsonb_path_query_first(f.bins, '$.missing ? (@.type() == "number")')
    )::double precision AS null_rate,
    f.importance,
    CASE
        WHEN f.importance IS NOT NULL THEN rank() OVER (PARTITION BY v.job, v.model_version ORDER BY f.importance DESC NULLS LAST)
    END AS importance_rank
FROM scorer.model_versions AS v
CROSS JOIN LATERAL (
    -- Taken out of the manifest once, and not for each feature.
    SELECT
        CASE WHEN jsonb_typeof(v.manifest -> 'features') = 'array' THEN v.manifest -> 'features' END AS features,
        v.manifest -> 'catalogue' AS catalogue,
        CASE WHEN jsonb_typeof(v.manifest -> 'importances') = 'object' THEN v.manifest -> 'importances' END AS importances,
        v.manifest #> '{baseline,features}' AS bins
    OFFSET 0
) AS m
CROSS JOIN LATERAL jsonb_array_elements_text(m.features) AS named (feature)
CROSS JOIN LATERAL (
    SELECT
        m.catalogue -> named.feature AS entry,
        m.bins -> named.feature AS bins,
        -- Earlier versions leave out features of no importance; one whose model has no contributions has no importances at all.
        CASE
            WHEN m.importances <> '{}'
                THEN COALESCE(jsonb_path_query_first(m.importances -> named.feature, '$ ? (@.type() == "number")'), '0')::double precision
        END AS importance
    OFFSET 0
) AS f;
COMMENT ON VIEW reporting.features IS 'One row per registered model version and feature: what it is, its figures over the training rows, and how much it moves a score.';
COMMENT ON COLUMN reporting.features.job IS 'Job.';
COMMENT ON COLUMN reporting.features.model_version IS 'Model version, whose manifest says all of this.';
COMMENT ON COLUMN reporting.features.status IS 'Status of the version: production, staging, candidate or archived.';
COMMENT ON COLUMN reporting.features.feature IS 'Name of the feature.';
COMMENT ON COLUMN reporting.features.meaning IS 'What it is, in words. This and the rest but null_rate and importance is null of a version trained before schema revision 0015.';
COMMENT ON COLUMN reporting.features.unit IS 'Unit of its values; null where it has none.';
COMMENT ON COLUMN reporting.features.feature_group IS 'Group that a recipe or a search takes it by.';
COMMENT ON COLUMN reporting.features.code IS 'Observation type that it is made of; null of attributes and the calendar.';
COMMENT ON COLUMN reporting.features.statistic IS 'Statistic of those observations.';
COMMENT ON COLUMN reporting.features.feature_window IS 'Span before the as-of time that they lie in; of a ratio, both.';
COMMENT ON COLUMN reporting.features.min IS 'Lowest value in the training rows, those without one left out.';
COMMENT ON COLUMN reporting.features.max IS 'Highest value in the training rows.';
COMMENT ON COLUMN reporting.features.mean IS 'Mean over the training rows.';
COMMENT ON COLUMN reporting.features.sd IS 'Standard deviation in the training rows, of a sample; null for fewer than two values.';
COMMENT ON COLUMN reporting.features.null_rate IS 'Share of the training rows without a value.';
COMMENT ON COLUMN reporting.features.importance IS 'Mean absolute contribution to a score, over training rows, in the unit of the scores'' reasons; null where the model has no contributions.';
COMMENT ON COLUMN reporting.features.importance_rank IS 'Place of the feature by importance, 1 the most important; equal ones share a place.';

GRANT SELECT ON reporting.features TO scorer_worker, scorer_approver, scorer_reader;
