-- What the worker may do to the CDM: read the tables that the job names, and of the vocabulary, where it is there, the table that
-- `scorer job check` compares concepts.csv with. It writes none. For the tables' owner to run.
GRANT USAGE ON SCHEMA cdm TO scorer_worker;
GRANT SELECT ON cdm.person, cdm.visit_occurrence, cdm.visit_detail, cdm.care_site, cdm.measurement TO scorer_worker;
DO $$
BEGIN
    IF to_regclass('cdm.concept') IS NOT NULL THEN
        GRANT SELECT ON cdm.concept TO scorer_worker;
    END IF;
END
$$;
