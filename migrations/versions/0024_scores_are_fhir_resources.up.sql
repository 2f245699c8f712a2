-- Each published score as a FHIR resource (R4, RiskAssessment), made when it is asked for, by the templates of the job version that scored.

ALTER TABLE scorer.job_versions ADD COLUMN fhir jsonb GENERATED ALWAYS AS (definition -> 'fhir') STORED;
COMMENT ON COLUMN scorer.job_versions.fhir IS 'Of the definition, what makes resources of its scores: [fhir] of job.toml; null where the job has none.';

CREATE FUNCTION scorer.fhir_time(moment timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
END;
COMMENT ON FUNCTION scorer.fhir_time(timestamptz) IS 'A moment as FHIR writes it, in UTC.';

-- What is no id as FHIR has them (up to 64 letters, digits, dots and dashes) is told as the identifier that it is. This function and the
-- next are of one expression, so that the planner writes them into the view.
CREATE FUNCTION scorer.fhir_reference(template jsonb, value text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN (value ~ '\S' AND value !~ '[\u0001-\u0008\u000B\u000C\u000E-\u001F]') IS NOT TRUE THEN NULL
        WHEN ((template ->> 'before') || value || (template ->> 'after')) ~ '^[A-Za-z0-9.-]{1,64}$' THEN jsonb_build_object(
            'reference', (template ->> 'at') || (template ->> 'before') || value || (template ->> 'after'), 'type', template -> 'type'
        )
        ELSE jsonb_build_object('type', template -> 'type', 'identifier', jsonb_build_object('value', value))
    END;
END;
COMMENT ON FUNCTION scorer.fhir_reference(jsonb, text) IS 'The reference that a template of [fhir] makes of a value; null where that is null or blank, or has a control character that no string of FHIR may have.';

-- A probability is a percentage in R4: "Decimal values are expressed as percentages as well (max = 100)". A value is none, and R4 has no
-- place for one: it stands in the rationale for people, and for programs in an extension.
CREATE FUNCTION scorer.fhir_prediction(fhir jsonb, score double precision, risk jsonb, outputs jsonb, period jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE fhir ->> 'task'
        WHEN 'regression' THEN jsonb_build_object(
            'extension', jsonb_build_array(jsonb_build_object(
                'url', 'urn:uuid:0457eca6-646c-4ec9-aad2-6f3dd171e928',
                'extension',
                jsonb_build_array(jsonb_build_object('url', 'value', 'valueDecimal', score))
                || CASE
                    WHEN outputs ?& ARRAY['low', 'high', 'coverage'] THEN jsonb_build_array(
                        jsonb_build_object('url', 'low', 'valueDecimal', outputs -> 'low'),
                        jsonb_build_object('url', 'high', 'valueDecimal', outputs -> 'high'),
                        jsonb_build_object('url', 'coverage', 'valueDecimal', outputs -> 'coverage')
                    )
                    ELSE '[]'
                END
            )),
            'outcome', jsonb_build_object('text', fhir ->> 'output') || (fhir -> 'outcome'),
            'qualitativeRisk', risk,
            'whenPeriod', period,
            'rationale', (fhir ->> 'output') || ' ' || score || CASE
                WHEN outputs ?& ARRAY['low', 'high', 'coverage']
                    THEN ', between ' || (outputs ->> 'low') || ' and ' || (outputs ->> 'high') || ' with a probability of '
                        || trim_scale(CAST(outputs ->> 'coverage' AS numeric) * 100) || ' %'
                ELSE ''
            END
        )
        ELSE jsonb_build_object(
            'outcome', jsonb_build_object('text', fhir ->> 'output') || (fhir -> 'outcome'),
            'probabilityDecimal', trim_scale(CAST(score AS numeric) * 100),
            'qualitativeRisk', risk,
            'whenPeriod', period
        )
    END;
END;
COMMENT ON FUNCTION scorer.fhir_prediction(jsonb, double precision, jsonb, jsonb, jsonb) IS 'What a score of a binary job or a value says, as the prediction of a RiskAssessment.';

CREATE VIEW reporting.fhir_risk_assessments AS
SELECT
    p.job,
    p.entity_id,
    CASE WHEN made.subject IS NOT NULL THEN jsonb_strip_nulls(jsonb_build_object(
        'resourceType', 'RiskAssessment',
        'id', (v.fhir ->> 'id') || p.score_id,
        'identifier', jsonb_build_array(jsonb_build_object('system', v.fhir -> 'system', 'value', CAST(p.score_id AS text))),
        'status', p.status,
        'method', jsonb_build_object('text', 'job ' || p.job || ' ' || p.job_version || ', model ' || p.model_version),
        'subject', made.subject,
        'encounter', made.encounter,
        'occurrenceDateTime', scorer.fhir_time(p.as_of),
        'basis', basis.observations,
        'prediction', CASE v.fhir ->> 'task'
            WHEN 'multiclass' THEN (
                SELECT jsonb_agg(
                    jsonb_build_object(
                        'outcome', COALESCE(v.fhir -> 'classes' -> o.key, jsonb_build_object('text', o.key)),
                        'probabilityDecimal', trim_scale(CAST(CAST(o.value AS text) AS numeric) * 100),
                        'qualitativeRisk', CASE WHEN o.key = v.fhir ->> 'band_class' THEN made.risk END,
                        'whenPeriod', made.period
                    )
                    ORDER BY CAST(CAST(o.value AS text) AS numeric) DESC, o.key
                )
                FROM jsonb_each(p.outputs) AS o
                WHERE jsonb_typeof(o.value) = 'number'
                  AND o.key NOT IN ('conformal', 'unlike')
            )
            ELSE jsonb_build_array(scorer.fhir_prediction(v.fhir, p.score, made.risk, p.outputs, made.period))
        END
    )) END AS resource,
    CASE
        WHEN p.job_version IS NULL THEN 'job_version'
        WHEN v.fhir IS NULL THEN '[fhir]'
        WHEN made.subject IS NULL THEN v.fhir #>> '{subject,attribute}'
    END AS lacks,
    p.output,
    p.score_id,
    p.status,
    p.changed_at
FROM (
    -- Whoever was judged otherwise since has the score of a version that only the ledger knows.
    SELECT
        c.job,
        c.entity_id,
        c.output,
        c.score_id,
        'final' AS status,
        c.scored_at AS changed_at,
        c.score,
        c.risk_band,
        c.outputs,
        c.attributes,
        c.as_of,
        c.valid_until,
        c.model_version,
        CASE
            WHEN c.status = 'SCORED' THEN c.judged_by_job
            ELSE (SELECT s.job_version FROM scorer.scores AS s WHERE s.score_id = c.score_id)
        END AS job_version
    FROM scorer.current_scores AS c
    WHERE c.score_id IS NOT NULL
    UNION ALL
    SELECT
        s.job,
        s.entity_id,
        s.output,
        s.score_id,
        'entered-in-error' AS status,
        r.recalled_at AS changed_at,
        s.score,
        s.risk_band,
        s.outputs,
        s.attributes,
        s.as_of,
        s.valid_until,
        s.model_version,
        s.job_version
    FROM scorer.recalls AS r
    JOIN scorer.scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
    WHERE NOT s.shadow
) AS p
LEFT JOIN scorer.job_versions AS v ON v.job = p.job AND v.job_version = p.job_version
CROSS JOIN LATERAL (
    SELECT
        scorer.fhir_reference(v.fhir -> 'subject', CASE v.fhir #>> '{subject,attribute}'
            WHEN 'entity_id' THEN p.entity_id
            ELSE p.attributes ->> (v.fhir #>> '{subject,attribute}')
        END) AS subject,
        scorer.fhir_reference(v.fhir -> 'encounter', CASE v.fhir #>> '{encounter,attribute}'
            WHEN 'entity_id' THEN p.entity_id
            ELSE p.attributes ->> (v.fhir #>> '{encounter,attribute}')
        END) AS encounter,
        CASE
            WHEN p.risk_band IS NOT NULL THEN COALESCE(v.fhir -> 'bands' -> p.risk_band, jsonb_build_object('text', p.risk_band))
        END AS risk,
        jsonb_build_object('start', scorer.fhir_time(p.as_of), 'end', scorer.fhir_time(p.valid_until)) AS period
    OFFSET 0  -- each is made once
) AS made
LEFT JOIN LATERAL (
    SELECT
        jsonb_agg(
            scorer.fhir_reference(v.fhir -> 'observation', o.observation_id)
            || jsonb_build_object('display', COALESCE(o.code || ' of ', '') || scorer.fhir_time(o.observation_date))
            ORDER BY o.rank
        ) AS observations
    FROM (
        SELECT
            r.observation_id,
            min(r.code) AS code,
            min(r.observation_date) AS observation_date,
            min(r.rank) AS rank
        FROM scorer.score_reasons AS r
        WHERE r.score_id = p.score_id
          AND r.observation_id ~ '\S'
        GROUP BY r.observation_id
    ) AS o
) AS basis ON made.subject IS NOT NULL;
COMMENT ON VIEW reporting.fhir_risk_assessments IS 'One row per current score, and per recalled one (status entered-in-error): resource, a RiskAssessment of FHIR R4. Where it is null, lacks says for want of what: [fhir], which the job version that scored has not; job_version, which left with the ledger''s old months; or the attribute that names the subject. changed_at: when it was scored, or recalled. Who has no score has no row.';

REVOKE ALL ON FUNCTION
    scorer.fhir_time(timestamptz),
    scorer.fhir_reference(jsonb, text),
    scorer.fhir_prediction(jsonb, double precision, jsonb, jsonb, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    scorer.fhir_time(timestamptz),
    scorer.fhir_reference(jsonb, text),
    scorer.fhir_prediction(jsonb, double precision, jsonb, jsonb, jsonb)
TO scorer_worker, scorer_approver, scorer_reader;
GRANT SELECT ON reporting.fhir_risk_assessments TO scorer_worker, scorer_approver, scorer_reader;
