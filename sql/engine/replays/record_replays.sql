-- Records how ledger rows compared when they were computed again; one row per score and part.
-- Nothing is recorded of a row that has left the ledger meanwhile.
-- Parameters: replays (a JSON list of objects), scorer_version.
INSERT INTO scorer.replays (score_id, run_began_at, part, verdict, difference, why, inputs_changed, alarming, scorer_version)
SELECT
    s.score_id,
    s.run_began_at,
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
JOIN scorer.scores AS s ON s.score_id = r.score_id
