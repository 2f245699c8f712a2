-- Which jobs this database runs: each time that a job was enabled or disabled, and by whom. A job without a row is as it comes.

CREATE TABLE scorer.job_switches (
    switch_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    enabled boolean NOT NULL,
    switched_at timestamptz NOT NULL DEFAULT now(),
    switched_by text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE scorer.job_switches IS 'One row per time that a job was enabled or disabled; the newest one of a job counts. A job without a row is as it comes: a site''s own job is enabled, and of those shipped the demo''s.';
COMMENT ON COLUMN scorer.job_switches.switch_id IS 'Key; ascending in the order of the changes.';
COMMENT ON COLUMN scorer.job_switches.job IS 'Job.';
COMMENT ON COLUMN scorer.job_switches.enabled IS 'Whether it was enabled; false: disabled.';
COMMENT ON COLUMN scorer.job_switches.switched_at IS 'When.';
COMMENT ON COLUMN scorer.job_switches.switched_by IS 'Login that did it.';

CREATE VIEW reporting.job_switches AS
SELECT
    s.job,
    s.enabled,
    s.switched_at,
    s.switched_by,
    s.switch_id = max(s.switch_id) OVER (PARTITION BY s.job) AS is_current
FROM scorer.job_switches AS s;
COMMENT ON VIEW reporting.job_switches IS 'One row per time that a job was enabled or disabled, with when and by whom; is_current marks the row that counts.';

GRANT SELECT ON scorer.job_switches TO scorer_worker;
GRANT SELECT ON scorer.job_switches TO scorer_approver;
GRANT INSERT (job, enabled) ON scorer.job_switches TO scorer_approver;
GRANT SELECT ON reporting.job_switches TO scorer_worker, scorer_approver, scorer_reader;
