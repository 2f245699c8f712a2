DROP VIEW reporting.fhir_risk_assessments;
DROP FUNCTION scorer.fhir_prediction(jsonb, double precision, jsonb, jsonb, jsonb);
DROP FUNCTION scorer.fhir_reference(jsonb, text);
DROP FUNCTION scorer.fhir_time(timestamptz);
ALTER TABLE scorer.job_versions DROP COLUMN fhir;
