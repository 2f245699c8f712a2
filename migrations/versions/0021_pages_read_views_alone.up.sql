-- What pages for people show and no view had yet: so they can be made by who may read the reporting views alone.

CREATE VIEW reporting.batches AS
SELECT
    b.batch_id,
    b.run_id,
    r.job,
    b.started_at,
    b.finished_at,
    b.eligible,
    b.scored,
    b.unchanged,
    b.quarantined,
    b.insufficient,
    b.indeterminate,
    b.failed,
    b.observations_read,
    b.observations_dropped,
    b.seconds
FROM scorer.batches AS b
JOIN scorer.runs AS r USING (run_id);
COMMENT ON VIEW reporting.batches IS 'One row per committed batch: its counts, how many observations it read and left out, and its seconds by step of the line.';

CREATE VIEW reporting.published_scores AS
SELECT
    s.job,
    s.entity_id,
    s.output,
    s.score_id,
    s.score,
    s.risk_band,
    s.label,
    s.scored_at,
    s.valid_until,
    s.model_version,
    s.run_id,
    s.run_began_at
FROM scorer.scores AS s
WHERE s.status = 'SCORED'
  AND NOT s.shadow;
COMMENT ON VIEW reporting.published_scores IS 'One row per score that was published, superseded or recalled since or not. Ask for it with run_began_at, by whose months the ledger is divided.';

CREATE VIEW reporting.feature_counts AS
SELECT
    f.run_id,
    f.job,
    f.model_version,
    f.facility,
    f.counted_at,
    f.scores,
    f.counts
FROM scorer.feature_counts AS f;
COMMENT ON VIEW reporting.feature_counts IS 'One row per batch and facility: how many of the scored rows fell into each bin of each feature, eleven numbers for each place of reporting.baselines, the missing ones last.';

CREATE VIEW reporting.baselines AS
SELECT
    k.job,
    k.model_version,
    k.place,
    k.feature,
    k.shares,
    k.missing
FROM scorer.baselines AS k;
COMMENT ON VIEW reporting.baselines IS 'One row per model version and feature, and one for its score: shares of the training rows by bin, eleven numbers, the missing ones last.';

CREATE FUNCTION reporting.psi(expected double precision [], counted bigint []) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT scorer.psi(expected, counted);
END;
COMMENT ON FUNCTION reporting.psi(double precision [], bigint []) IS 'scorer.psi for who may not use the schema scorer: the population stability index of counts against expected shares.';

CREATE VIEW reporting.daemons AS
SELECT
    d.daemon,
    d.version,
    d.started_at,
    d.beat_at,
    d.ready,
    d.detail,
    d.jobs
FROM scorer.daemons AS d;
COMMENT ON VIEW reporting.daemons IS 'One row per daemon: when it was last seen, whether it was ready then, and which jobs it runs.';

REVOKE ALL ON FUNCTION reporting.psi(double precision [], bigint []) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reporting.psi(double precision [], bigint []) TO scorer_worker, scorer_approver, scorer_reader;
GRANT SELECT ON
    reporting.batches,
    reporting.published_scores,
    reporting.feature_counts,
    reporting.baselines,
    reporting.daemons
TO scorer_worker, scorer_approver, scorer_reader;
