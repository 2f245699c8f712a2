-- Features that are built and kept without a score, by scorer features --table.

CREATE TABLE scorer.feature_vectors (
    job text NOT NULL,
    entity_id text NOT NULL,
    as_of timestamptz NOT NULL,
    job_version text NOT NULL,
    status text NOT NULL CHECK (status IN ('READY', 'QUARANTINED', 'INSUFFICIENT')),
    reason text,
    features jsonb NOT NULL,
    built_at timestamptz NOT NULL DEFAULT now(),
    built_by text NOT NULL DEFAULT session_user,
    PRIMARY KEY (job, entity_id, as_of),
    CONSTRAINT feature_vectors_reason CHECK ((status = 'READY') = (reason IS NULL))
);
COMMENT ON TABLE scorer.feature_vectors IS 'Features of entities that were built and not scored: one row per job, entity and as-of time.';
COMMENT ON COLUMN scorer.feature_vectors.job IS 'Job.';
COMMENT ON COLUMN scorer.feature_vectors.entity_id IS 'Entity.';
COMMENT ON COLUMN scorer.feature_vectors.as_of IS 'As-of time: what was known then.';
COMMENT ON COLUMN scorer.feature_vectors.job_version IS 'Job version that defines the features.';
COMMENT ON COLUMN scorer.feature_vectors.status IS 'READY where a run would score the entity; else how it would end.';
COMMENT ON COLUMN scorer.feature_vectors.reason IS 'Why it would not be scored: the rule that holds it, or how many observations there are.';
COMMENT ON COLUMN scorer.feature_vectors.features IS 'Features by name; one without a value is left out, and all are where the status is not READY.';
COMMENT ON COLUMN scorer.feature_vectors.built_at IS 'When it was built.';
COMMENT ON COLUMN scorer.feature_vectors.built_by IS 'Login that built it.';

CREATE VIEW reporting.feature_vectors AS
SELECT
    v.job,
    v.entity_id,
    v.as_of,
    v.status,
    v.reason,
    v.features,
    v.job_version,
    v.built_at,
    v.built_by
FROM scorer.feature_vectors AS v;
COMMENT ON VIEW reporting.feature_vectors IS 'One row per job, entity and as-of time whose features were built without a score.';

GRANT SELECT, INSERT ON scorer.feature_vectors TO scorer_worker;
GRANT UPDATE (job_version, status, reason, features, built_at, built_by) ON scorer.feature_vectors TO scorer_worker;
GRANT SELECT ON reporting.feature_vectors TO scorer_worker, scorer_approver, scorer_reader;
