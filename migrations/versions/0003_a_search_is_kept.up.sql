-- Searches for the best way of making a job's model, each with all that it tried. New tables and views alone.

CREATE TABLE scorer.experiments (
    experiment_id text PRIMARY KEY CHECK (experiment_id ~ '^[0-9a-f]{32}$'),
    job text NOT NULL,
    job_version text NOT NULL,
    objective text NOT NULL,
    folds integer NOT NULL CHECK (folds > 1),
    landmark_step interval NOT NULL,
    seed integer NOT NULL,
    landmarks bigint NOT NULL,
    positive_landmarks bigint NOT NULL,
    entities bigint NOT NULL,
    clients bigint NOT NULL,
    data_sha256 text NOT NULL CHECK (data_sha256 ~ '^[0-9a-f]{64}$'),
    libraries jsonb NOT NULL,
    planned integer NOT NULL CHECK (planned > 0),
    started_at timestamptz NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT now(),
    kept_by text NOT NULL DEFAULT session_user,
    scorer_version text NOT NULL
);
CREATE INDEX experiments_by_job ON scorer.experiments (job, started_at);
COMMENT ON TABLE scorer.experiments IS 'Searches for the best way of making a job''s model: one row per search.';
COMMENT ON COLUMN scorer.experiments.experiment_id IS 'Key, drawn at random when the search began.';
COMMENT ON COLUMN scorer.experiments.job IS 'Job.';
COMMENT ON COLUMN scorer.experiments.job_version IS 'Job version as its files stood: features, utility, combinations.';
COMMENT ON COLUMN scorer.experiments.objective IS 'What was maximised.';
COMMENT ON COLUMN scorer.experiments.folds IS 'Folds of the cross-validation, by client.';
COMMENT ON COLUMN scorer.experiments.landmark_step IS 'Time from one landmark of an entity to its next.';
COMMENT ON COLUMN scorer.experiments.seed IS 'Seed of every fit.';
COMMENT ON COLUMN scorer.experiments.landmarks IS 'Landmarks with a known outcome.';
COMMENT ON COLUMN scorer.experiments.positive_landmarks IS 'Those of them whose label is 1.';
COMMENT ON COLUMN scorer.experiments.entities IS 'Entities they are of.';
COMMENT ON COLUMN scorer.experiments.clients IS 'Clients they are of.';
COMMENT ON COLUMN scorer.experiments.data_sha256 IS 'Hash of all that was read: landmarks, outcomes, observations, attributes.';
COMMENT ON COLUMN scorer.experiments.libraries IS 'Versions of the libraries that the models depend on.';
COMMENT ON COLUMN scorer.experiments.planned IS 'How many trials the search is of; fewer rows in scorer.trials: it was stopped.';
COMMENT ON COLUMN scorer.experiments.started_at IS 'When it began, by the clock of the machine that searched.';
COMMENT ON COLUMN scorer.experiments.kept_at IS 'When it was last written down here.';
COMMENT ON COLUMN scorer.experiments.kept_by IS 'Who wrote it down.';
COMMENT ON COLUMN scorer.experiments.scorer_version IS 'Version of the program.';

CREATE TABLE scorer.trials (
    experiment_id text NOT NULL REFERENCES scorer.experiments,
    trial integer NOT NULL CHECK (trial > 0),
    combination text NOT NULL,
    configuration text NOT NULL,
    recipe jsonb NOT NULL,
    features integer NOT NULL,
    folds jsonb NOT NULL,
    auroc double precision,
    average_precision double precision,
    objective double precision,
    utility double precision,
    seconds double precision NOT NULL,
    error text,
    PRIMARY KEY (experiment_id, trial),
    CONSTRAINT trials_end_somehow CHECK ((error IS NULL) = (objective IS NOT NULL)),
    CONSTRAINT trials_are_finite CHECK (abs(objective) < 'Infinity' AND abs(utility) < 'Infinity')
);
COMMENT ON TABLE scorer.trials IS 'What a search tried: one row per combination of feature groups and model configuration.';
COMMENT ON COLUMN scorer.trials.experiment_id IS 'The search.';
COMMENT ON COLUMN scorer.trials.trial IS 'Its number there, from 1.';
COMMENT ON COLUMN scorer.trials.combination IS 'Combination of feature groups, by its name in job.toml.';
COMMENT ON COLUMN scorer.trials.configuration IS 'Model configuration.';
COMMENT ON COLUMN scorer.trials.recipe IS 'All that is needed to make it again: configuration, feature groups, parameters, seed.';
COMMENT ON COLUMN scorer.trials.features IS 'How many features the model saw.';
COMMENT ON COLUMN scorer.trials.folds IS 'Of each fold: landmarks, positives, AUROC, average precision, seconds.';
COMMENT ON COLUMN scorer.trials.auroc IS 'AUROC, the mean over the folds; null where the trial failed.';
COMMENT ON COLUMN scorer.trials.average_precision IS 'Average precision, the mean over the folds.';
COMMENT ON COLUMN scorer.trials.objective IS 'The sum of both.';
COMMENT ON COLUMN scorer.trials.utility IS 'Normalised utility out of the folds, the threshold chosen by the others; null where the job has no utility.';
COMMENT ON COLUMN scorer.trials.seconds IS 'Seconds for all its fits, on one core.';
COMMENT ON COLUMN scorer.trials.error IS 'Why it failed, in one sentence; null where it did not.';

CREATE VIEW reporting.experiments AS
SELECT
    e.experiment_id,
    e.job,
    e.job_version,
    e.objective,
    e.folds,
    e.landmark_step,
    e.landmarks,
    e.positive_landmarks,
    e.entities,
    e.clients,
    e.data_sha256,
    e.planned,
    tried.trials,
    tried.failed,
    best.combination AS best_combination,
    best.configuration AS best_configuration,
    best.objective AS best_objective,
    e.started_at,
    e.kept_at,
    e.kept_by
FROM scorer.experiments AS e
LEFT JOIN LATERAL (
    SELECT
        count(*) AS trials,
        count(t.error) AS failed
    FROM scorer.trials AS t
    WHERE t.experiment_id = e.experiment_id
) AS tried ON true
LEFT JOIN LATERAL (
    SELECT
        t.combination,
        t.configuration,
        t.objective
    FROM scorer.trials AS t
    WHERE t.experiment_id = e.experiment_id AND t.error IS NULL
    ORDER BY t.objective DESC, t.trial
    LIMIT 1
) AS best ON true;
COMMENT ON VIEW reporting.experiments IS 'One row per search for the best way of making a job''s model, with the best that it found.';

CREATE VIEW reporting.trials AS
SELECT
    t.experiment_id,
    e.job,
    t.trial,
    CASE
        WHEN t.error IS NULL
            THEN count(t.objective) OVER (PARTITION BY t.experiment_id ORDER BY t.objective DESC NULLS LAST, t.trial)
    END AS rank,
    t.combination,
    t.configuration,
    t.features,
    t.auroc,
    t.average_precision,
    t.objective,
    t.utility,
    t.seconds,
    t.error,
    t.recipe,
    t.folds
FROM scorer.trials AS t
JOIN scorer.experiments AS e ON e.experiment_id = t.experiment_id;
COMMENT ON VIEW reporting.trials IS 'One row per model that a search tried, ranked by the objective.';

-- Who may do what.

GRANT SELECT, INSERT ON scorer.experiments, scorer.trials TO scorer_worker;
GRANT UPDATE (kept_at, kept_by) ON scorer.experiments TO scorer_worker;
GRANT SELECT ON reporting.experiments, reporting.trials TO scorer_worker, scorer_approver, scorer_requester, scorer_reader;
