-- Records a batch: how its entities ended, and the seconds that each step took; no row.
-- Parameters: batch_id, run_id, model_version, worker, eligible, scored, unchanged, quarantined, insufficient, indeterminate, failed,
-- shadows, observations_read, observations_dropped, unknown_codes (JSON), seconds (JSON), flags (JSON, or null).
INSERT INTO scorer.batches (
    batch_id,
    run_id,
    model_version,
    worker,
    eligible,
    scored,
    unchanged,
    quarantined,
    insufficient,
    indeterminate,
    failed,
    shadows,
    observations_read,
    observations_dropped,
    unknown_codes,
    seconds,
    flags
)
OVERRIDING SYSTEM VALUE
VALUES (
    :batch_id,
    :run_id,
    :model_version,
    :worker,
    :eligible,
    :scored,
    :unchanged,
    :quarantined,
    :insufficient,
    :indeterminate,
    :failed,
    :shadows,
    :observations_read,
    :observations_dropped,
    CAST(:unknown_codes AS jsonb),
    CAST(:seconds AS jsonb),
    CAST(:flags AS jsonb)
)
