-- Who did what: acts that no table recorded yet, and one view of all of them.

CREATE TABLE scorer.audit_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL DEFAULT session_user,
    action text NOT NULL CHECK (action IN ('explained', 'exported')),
    job text,
    subject text,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_events_by_time ON scorer.audit_events (happened_at);
COMMENT ON TABLE scorer.audit_events IS 'Acts that no other table records, such as explanations and exports: one row each, written by reporting.record_audit alone. Append-only; reporting.audit shows them beside all others.';
COMMENT ON COLUMN scorer.audit_events.event_id IS 'Key.';
COMMENT ON COLUMN scorer.audit_events.happened_at IS 'When.';
COMMENT ON COLUMN scorer.audit_events.actor IS 'Login that did it.';
COMMENT ON COLUMN scorer.audit_events.action IS 'What was done: explained, exported. What another table records is told by that table alone.';
COMMENT ON COLUMN scorer.audit_events.job IS 'Job it is about, if any.';
COMMENT ON COLUMN scorer.audit_events.subject IS 'What it was done to: an entity, a file.';
COMMENT ON COLUMN scorer.audit_events.detail IS 'More of it: ids and counts, no patient''s value.';
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON scorer.audit_events FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON scorer.audit_events FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER job_switches_append_only BEFORE UPDATE OR DELETE ON scorer.job_switches FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER job_switches_no_truncate BEFORE TRUNCATE ON scorer.job_switches FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();

-- What a request asks for, by whom and when, is nobody's to change: a worker answers it.
REVOKE UPDATE ON scorer.requests FROM scorer_worker;
GRANT UPDATE (status, finished_at, score_id, reason, outcome, run_id, run_began_at, answered, scored, failed, absent) ON scorer.requests TO scorer_worker;
REVOKE UPDATE ON scorer.request_entities FROM scorer_worker;
GRANT UPDATE (outcome, reason, score_id, answered_at) ON scorer.request_entities TO scorer_worker;

CREATE FUNCTION reporting.record_audit(action text, job text, subject text, detail jsonb) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO scorer.audit_events (action, job, subject, detail) VALUES ($1, $2, $3, COALESCE($4, '{}'))
$$;
COMMENT ON FUNCTION reporting.record_audit(text, text, text, jsonb) IS 'Records an act of the login: who and when, nobody else can say. Here, since a reader may not use the schema scorer.';
REVOKE ALL ON FUNCTION reporting.record_audit(text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reporting.record_audit(text, text, text, jsonb) TO scorer_worker, scorer_approver, scorer_requester, scorer_reader;

CREATE VIEW reporting.audit WITH (security_barrier = true) AS
SELECT
    e.happened_at,
    e.actor,
    e.action,
    e.job,
    e.subject,
    e.detail
FROM (
    SELECT
        a.happened_at,
        a.actor,
        a.action,
        a.job,
        a.subject,
        a.detail
    FROM scorer.audit_events AS a
    UNION ALL
    SELECT
        q.requested_at AS happened_at,
        q.requested_by AS actor,
        'requested' AS action,
        q.job,
        COALESCE(q.entity_id, q.entities || ' entities') AS subject,
        jsonb_build_object('request_id', q.request_id, 'status', q.status) AS detail
    FROM scorer.requests AS q
    UNION ALL
    SELECT
        r.happened_at,
        r.done_by AS actor,
        'recalled' AS action,
        r.job,
        COALESCE('model ' || r.model_version, 'job version ' || r.job_version) AS subject,
        jsonb_strip_nulls(
            jsonb_build_object(
                'recall_id', r.recall_id,
                'why', r.why,
                'job_version', r.job_version,
                'scored_from', r.scored_from,
                'scored_until', r.scored_until,
                'scores', r.scores,
                'shadow_scores', r.shadow_scores,
                'entities', r.entities
            )
        ) AS detail
    FROM scorer.recall_events AS r
    UNION ALL
    SELECT
        m.happened_at,
        m.done_by AS actor,
        CASE m.to_status
            WHEN 'candidate' THEN CASE WHEN m.from_status IS NULL THEN 'model registered' ELSE 'model withdrawn' END
            WHEN 'staging' THEN 'model staged'
            WHEN 'production' THEN 'model promoted'
            ELSE 'model archived'
        END AS action,
        m.job,
        m.model_version AS subject,
        jsonb_strip_nulls(jsonb_build_object('from', m.from_status, 'to', m.to_status, 'why', m.why)) AS detail
    FROM scorer.model_events AS m
    UNION ALL
    SELECT
        c.started_at AS happened_at,
        c.started_by AS actor,
        'challenge started' AS action,
        c.job,
        c.model_version AS subject,
        jsonb_build_object('why', c.why) AS detail
    FROM scorer.challengers AS c
    UNION ALL
    SELECT
        c.stopped_at AS happened_at,
        c.stopped_by AS actor,
        'challenge stopped' AS action,
        c.job,
        c.model_version AS subject,
        jsonb_build_object('why', c.stopped_why) AS detail
    FROM scorer.challengers AS c
    WHERE c.stopped_at IS NOT NULL
    UNION ALL
    SELECT
        s.switched_at AS happened_at,
        s.switched_by AS actor,
        CASE WHEN s.enabled THEN 'job enabled' ELSE 'job disabled' END AS action,
        s.job,
        s.job AS subject,
        '{}' AS detail
    FROM scorer.job_switches AS s
    UNION ALL
    SELECT
        f.happened_at,
        f.done_by AS actor,
        CASE WHEN f.given THEN 'facility granted' ELSE 'facility revoked' END AS action,
        f.job,
        f.login AS subject,
        jsonb_build_object('facility', COALESCE(f.facility, 'all')) AS detail
    FROM scorer.facility_grants AS f
    UNION ALL
    SELECT
        f.at AS happened_at,
        f.actor,
        CASE f.action WHEN 'set' THEN 'flag set' ELSE 'flag cleared' END AS action,
        (
            SELECT v.job
            FROM scorer.job_versions AS v
            WHERE f.flag IN (v.job || '.scores', v.job || '.write_back', v.job || '.reasons')
            LIMIT 1
        ) AS job,
        f.flag AS subject,
        jsonb_strip_nulls(
            jsonb_build_object('enabled', f.enabled, 'share', f.share, 'facilities', f.facilities, 'why', f.reason)
        ) AS detail
    FROM scorer.flags AS f
) AS e
WHERE (SELECT scorer.sees_all())
   OR e.actor = session_user;
COMMENT ON VIEW reporting.audit IS 'One row per act: who asked for, explained, recalled, promoted, flagged, exported, granted, enabled or disabled what, and when. Who may not see all sees his own acts.';
GRANT SELECT ON reporting.audit TO scorer_worker, scorer_approver, scorer_reader;
