-- What the worker may do to the service's tables: read them. For the tables' owner to run; `scorer load --job` runs it too.
GRANT USAGE ON SCHEMA pcos TO scorer_worker;
GRANT SELECT ON pcos.examinations, pcos.answers, pcos.measurements, pcos.outcomes TO scorer_worker;
