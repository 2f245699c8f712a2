-- Records what became of ledger rows that were made again; one row per score and part.
-- Parameters: replays (a JSON list of objects), scorer_version.
INSERT INTO scorer.replays (score_id, part, verdict, difference, why, inputs_changed, alarming, scorer_version)
SELECT
    r.score_id,
    r.part,
    r.verdict,
    r.difference,
    r.why,
    r.inputs_changed,
    r.alarming,
    :scorer_version
FROM jsonb_to_recordset(CAST(:replays AS jsonb)) AS r (
    score_id bigint,
    part text,
    verdict text,
    difference double precision,
    why text,
    inputs_changed boolean,
    alarming boolean
)
