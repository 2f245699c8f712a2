-- What the worker may do to the source tables: read them. For the tables' owner to run; `scorer load --job` runs it too.
GRANT USAGE ON SCHEMA churn TO scorer_worker;
GRANT SELECT ON churn.courses, churn.enrolments, churn.assessments, churn.submissions, churn.clicks, churn.outcomes TO scorer_worker;
