-- What the worker may do to the programme's tables: read them. For the tables' owner to run; `scorer load --job` runs it too.
GRANT USAGE ON SCHEMA iit TO scorer_worker;
GRANT SELECT ON iit.programmes, iit.patients, iit.visits, iit.obs TO scorer_worker;
