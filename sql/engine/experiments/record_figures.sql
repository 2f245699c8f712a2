-- Records the figures of an evaluation, all at once; one row per figure.
-- Parameters: evaluation_id, figures (a JSON array of objects with the columns' names; null, or no key, where nothing can be said).
INSERT INTO scorer.evaluation_figures (
    evaluation_id,
    place,
    attribute,
    subgroup,
    figure,
    threshold,
    threshold_name,
    value,
    low,
    high,
    entities,
    events,
    positives
)
SELECT
    CAST(:evaluation_id AS bigint) AS evaluation_id,
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
    f.positives
FROM jsonb_to_recordset(CAST(:figures AS jsonb)) AS f (
    place integer,
    attribute text,
    subgroup text,
    figure text,
    threshold double precision,
    threshold_name text,
    value double precision,
    low double precision,
    high double precision,
    entities integer,
    events integer,
    positives integer
)
