-- What the worker may do to the tracker's tables: read them. For the tables' owner to run; `scorer load --job` runs it too.
GRANT USAGE ON SCHEMA cycle TO scorer_worker;
GRANT SELECT ON cycle.users, cycle.cycles TO scorer_worker;
