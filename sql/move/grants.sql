-- What the worker may do to the source tables: read them. For the tables' owner to run; `scorer load --job` runs it too.
GRANT USAGE ON SCHEMA move TO scorer_worker;
GRANT SELECT ON move.parcels, move.sales, move.markets TO scorer_worker;
