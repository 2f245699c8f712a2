-- What the worker may do to the source tables: read them. For the tables' owner to run; `scorer load --job` runs it too.
GRANT USAGE ON SCHEMA contact TO scorer_worker;
GRANT SELECT ON contact.people, contact.slots, contact.prompts, contact.answers TO scorer_worker;
