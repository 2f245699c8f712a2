-- What the worker may do to the source tables: read them. For the tables' owner to run; `scorer load --job` runs it too.
GRANT USAGE ON SCHEMA transaction TO scorer_worker;
GRANT SELECT ON transaction.applications, transaction.outcomes TO scorer_worker;
