DROP VIEW reporting.fhir_risk_assessments;
DROP FUNCTION scorer.fhir_predictions(jsonb, double precision, text, jsonb, jsonb);
DROP FUNCTION scorer.fhir_reference(jsonb, jsonb);
DROP FUNCTION scorer.fhir_time(timestamptz);
ALTER TABLE scorer.job_versions DROP COLUMN fhir;
