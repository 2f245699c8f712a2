-- Evaluations, with every figure that they gave: written once by whoever evaluates, never changed.

CREATE TABLE scorer.evaluations (
    evaluation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    job_version text NOT NULL,
    model_version text NOT NULL,
    as_of_every interval NOT NULL CHECK (as_of_every > interval '0'),
    first_as_of timestamptz NOT NULL,
    last_as_of timestamptz NOT NULL,
    outcomes boolean NOT NULL,
    clients integer NOT NULL CHECK (clients > 0),
    clients_seen integer,
    cohort_sha256 text NOT NULL CHECK (cohort_sha256 ~ '^[0-9a-f]{64}$'),
    attrition jsonb NOT NULL,
    reliability jsonb NOT NULL,
    remarks text [] NOT NULL,
    bootstraps integer NOT NULL,
    command text NOT NULL,
    evaluated_at timestamptz NOT NULL DEFAULT now(),
    evaluated_by text NOT NULL DEFAULT session_user,
    scorer_version text NOT NULL,
    FOREIGN KEY (job, model_version) REFERENCES scorer.model_versions,
    CONSTRAINT evaluations_span CHECK (first_as_of <= last_as_of),
    CONSTRAINT evaluations_seen CHECK (clients_seen BETWEEN 0 AND clients)
);
CREATE INDEX evaluations_by_model ON scorer.evaluations (job, model_version, evaluated_at);
COMMENT ON TABLE scorer.evaluations IS 'How good a model was found to be: one row per evaluation of one model on one cohort.';
COMMENT ON COLUMN scorer.evaluations.evaluation_id IS 'Key.';
COMMENT ON COLUMN scorer.evaluations.job IS 'Job.';
COMMENT ON COLUMN scorer.evaluations.job_version IS 'Job version as its files stood: features, bands, utility.';
COMMENT ON COLUMN scorer.evaluations.model_version IS 'Model that was evaluated.';
COMMENT ON COLUMN scorer.evaluations.as_of_every IS 'Time from one as-of time of an entity to its next.';
COMMENT ON COLUMN scorer.evaluations.first_as_of IS 'Earliest as-of time of the cohort.';
COMMENT ON COLUMN scorer.evaluations.last_as_of IS 'Latest as-of time of the cohort.';
COMMENT ON COLUMN scorer.evaluations.outcomes IS 'Whether outcomes were looked at; without, there is only the load of alerts and what became of whom.';
COMMENT ON COLUMN scorer.evaluations.clients IS 'Clients in the cohort.';
COMMENT ON COLUMN scorer.evaluations.clients_seen IS 'How many of them the model was trained on; null where its manifest does not say.';
COMMENT ON COLUMN scorer.evaluations.cohort_sha256 IS 'Hash of all that was read: entities, as-of times, observations, outcomes.';
COMMENT ON COLUMN scorer.evaluations.attrition IS 'How many entities and landmarks were left at each step.';
COMMENT ON COLUMN scorer.evaluations.reliability IS 'Bins of like scores: rows, mean score, and the share that had the event with its interval.';
COMMENT ON COLUMN scorer.evaluations.remarks IS 'What a reader must know before believing the figures, a sentence each.';
COMMENT ON COLUMN scorer.evaluations.bootstraps IS 'Draws of clients behind each interval.';
COMMENT ON COLUMN scorer.evaluations.command IS 'Command that makes it again.';
COMMENT ON COLUMN scorer.evaluations.evaluated_at IS 'When.';
COMMENT ON COLUMN scorer.evaluations.evaluated_by IS 'Login that evaluated.';
COMMENT ON COLUMN scorer.evaluations.scorer_version IS 'Version of the program.';

CREATE TABLE scorer.evaluation_figures (
    evaluation_id bigint NOT NULL REFERENCES scorer.evaluations,
    place integer NOT NULL,
    attribute text NOT NULL,
    subgroup text NOT NULL,
    figure text NOT NULL,
    threshold double precision,
    threshold_name text,
    value double precision,
    low double precision,
    high double precision,
    entities integer NOT NULL,
    events integer NOT NULL,
    positives integer NOT NULL,
    PRIMARY KEY (evaluation_id, place),
    CONSTRAINT evaluation_figures_are_numbers CHECK (
        value NOT IN ('NaN', 'Infinity', '-Infinity')
        AND low NOT IN ('NaN', 'Infinity', '-Infinity')
        AND high NOT IN ('NaN', 'Infinity', '-Infinity')
    ),
    CONSTRAINT evaluation_figures_interval CHECK ((low IS NULL) = (high IS NULL) AND low <= high),
    CONSTRAINT evaluation_figures_name CHECK (threshold_name IS NULL OR threshold IS NOT NULL)
);
COMMENT ON TABLE scorer.evaluation_figures IS 'The figures of evaluations: one row per evaluation, subgroup, threshold and figure.';
COMMENT ON COLUMN scorer.evaluation_figures.evaluation_id IS 'Evaluation.';
COMMENT ON COLUMN scorer.evaluation_figures.place IS 'Place in the order in which they are shown.';
COMMENT ON COLUMN scorer.evaluation_figures.attribute IS 'Attribute that the subgroup is by; empty for everyone.';
COMMENT ON COLUMN scorer.evaluation_figures.subgroup IS 'Subgroup; everyone for the whole cohort.';
COMMENT ON COLUMN scorer.evaluation_figures.figure IS 'What it is: auroc, sensitivity, utility, alarms_per_entity_day ...';
COMMENT ON COLUMN scorer.evaluation_figures.threshold IS 'Alarms are scores above it; null for figures of the scores themselves.';
COMMENT ON COLUMN scorer.evaluation_figures.threshold_name IS 'Band that begins there, or what else the threshold is called.';
COMMENT ON COLUMN scorer.evaluation_figures.value IS 'The figure; null where nothing can be said.';
COMMENT ON COLUMN scorer.evaluation_figures.low IS 'Lower end of its interval of 95 percent, by a bootstrap over clients; null where there is none.';
COMMENT ON COLUMN scorer.evaluation_figures.high IS 'Upper end.';
COMMENT ON COLUMN scorer.evaluation_figures.entities IS 'Entities in the subgroup.';
COMMENT ON COLUMN scorer.evaluation_figures.events IS 'Entities in it that have the event; with fewer than 10 the figure is not to be relied on.';
COMMENT ON COLUMN scorer.evaluation_figures.positives IS 'Scored landmarks in it with a positive label.';

CREATE VIEW reporting.evaluations AS
SELECT
    e.evaluation_id,
    e.job,
    e.job_version,
    e.model_version,
    e.as_of_every,
    e.first_as_of,
    e.last_as_of,
    e.outcomes,
    e.clients,
    e.clients_seen,
    e.cohort_sha256,
    e.attrition,
    e.reliability,
    e.remarks,
    e.bootstraps,
    e.command,
    e.evaluated_at,
    e.evaluated_by,
    e.scorer_version
FROM scorer.evaluations AS e;
COMMENT ON VIEW reporting.evaluations IS 'One row per evaluation of a model on a cohort: what was evaluated, what was left at each step, what must be known before believing it.';

CREATE VIEW reporting.evaluation_figures AS
SELECT
    f.evaluation_id,
    e.job,
    e.model_version,
    e.evaluated_at,
    f.place,
    f.attribute,
    f.subgroup,
    f.figure,
    f.threshold,
    f.threshold_name,
    f.value,
    f.low,
    f.high,
    f.entities,
    f.events,
    f.positives,
    e.outcomes AND f.events < 10 AS too_few_events
FROM scorer.evaluation_figures AS f
JOIN scorer.evaluations AS e USING (evaluation_id);
COMMENT ON VIEW reporting.evaluation_figures IS 'One row per evaluation, subgroup, threshold and figure, with its interval of 95 percent; too_few_events where fewer than 10 entities have the event.';

GRANT SELECT, INSERT ON scorer.evaluations, scorer.evaluation_figures TO scorer_worker;
GRANT SELECT ON reporting.evaluations, reporting.evaluation_figures TO scorer_worker, scorer_approver, scorer_reader;
