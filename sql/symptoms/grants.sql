-- What the worker may do to the source tables: read them. For the tables' owner to run; `scorer load --job` runs it too.
GRANT USAGE ON SCHEMA symptoms TO scorer_worker;
GRANT SELECT ON symptoms.reports, symptoms.answers, symptoms.conditions TO scorer_worker;
