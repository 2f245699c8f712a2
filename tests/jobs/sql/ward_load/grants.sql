-- What the worker may do to the wards' tables: read them. For the tables' owner to run.
GRANT USAGE ON SCHEMA wards TO scorer_worker;
GRANT SELECT ON wards.wards, wards.counts TO scorer_worker;
