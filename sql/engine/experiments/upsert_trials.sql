-- Records the trials of a search, leaving those that are there already; one row per trial.
-- Parameters: experiment_id, trials (an array of JSON objects with the columns' names).
INSERT INTO scorer.trials (
    experiment_id,
    trial,
    combination,
    configuration,
    recipe,
    features,
    folds,
    auroc,
    average_precision,
    objective,
    utility,
    seconds,
    error
)
SELECT
    :experiment_id,
    t.trial,
    t.combination,
    t.configuration,
    t.recipe,
    t.features,
    t.folds,
    t.auroc,
    t.average_precision,
    t.objective,
    t.utility,
    t.seconds,
    t.error
FROM jsonb_to_recordset(CAST(:trials AS jsonb)) AS t (
    trial integer,
    combination text,
    configuration text,
    recipe jsonb,
    features integer,
    folds jsonb,
    auroc double precision,
    average_precision double precision,
    objective double precision,
    utility double precision,
    seconds double precision,
    error text
)
ON CONFLICT (experiment_id, trial) DO NOTHING
