-- What the worker may do to the source tables: read them. For the tables' owner to run; `scorer load --job` runs it too.
GRANT USAGE ON SCHEMA template_data TO scorer_worker;
GRANT SELECT ON template_data.clients, template_data.events, template_data.outcomes TO scorer_worker;
