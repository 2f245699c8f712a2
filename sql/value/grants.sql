-- What the worker may do to the source tables: read them. For the tables' owner to run; `scorer load --job` runs it too.
GRANT USAGE ON SCHEMA value TO scorer_worker;
GRANT SELECT ON value.parcels, value.sales, value.markets TO scorer_worker;
