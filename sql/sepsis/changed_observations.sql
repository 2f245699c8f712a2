-- Captures which observations change, so that a daemon that keeps those it has read (`kept_rows` in scorer.toml) reads no others again. Off
-- until a database administrator runs this file, as a superuser or as the owner of the tables who is a member of scorer_owner:
--     psql --single-transaction -v ON_ERROR_STOP=1 -f changed_observations.sql
-- To take it away again: DROP FUNCTION scorer.changed_observations_of_sepsis() CASCADE, which takes the triggers along.
-- Each statement that inserts, updates or deletes observations adds the key of each such row to scorer.captured_changes, in its own
-- transaction: what is rolled back leaves nothing, and sessions never wait for each other there. What changes of visits and is read with
-- each observation (the client; whether the visit is there) adds the visit, whatever else is written to it adds nothing.
-- It is exact because it cannot be left out: where scorer.captured_changes cannot be written, the statement fails. Only where it is gone,
-- as after an uninstallation, nothing is captured, since nobody keeps rows then.
-- The triggers fire ALWAYS, in sessions of replication too. For a large load they may be disabled, as `pg_restore --disable-triggers` does:
-- then everything is read until this file is run again, and once more in full after it.
CREATE OR REPLACE FUNCTION scorer.changed_observations_of_sepsis() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO scorer.captured_changes (job) VALUES ('sepsis');
    ELSIF TG_LEVEL = 'ROW' THEN
        INSERT INTO scorer.captured_changes (job, entity_id)
        VALUES
        ('sepsis', CAST(OLD.visit_id AS text)),
        ('sepsis', CAST(NEW.visit_id AS text));
    ELSIF TG_TABLE_NAME = 'visits' THEN
        INSERT INTO scorer.captured_changes (job, entity_id)
        SELECT
            'sepsis',
            CAST(c.visit_id AS text)
        FROM changed AS c;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO scorer.captured_changes (job, entity_id, observation_id)
        SELECT
            'sepsis',
            CAST(b.visit_id AS text),
            CAST(b.observation_id AS text)
        FROM (
            SELECT
                o.visit_id,
                o.observation_id
            FROM before AS o
            UNION
            SELECT
                n.visit_id,
                n.observation_id
            FROM changed AS n
        ) AS b
        WHERE b.visit_id IS NOT NULL;
    ELSE
        INSERT INTO scorer.captured_changes (job, entity_id, observation_id)
        SELECT
            'sepsis',
            CAST(c.visit_id AS text),
            CAST(c.observation_id AS text)
        FROM changed AS c
        WHERE c.visit_id IS NOT NULL;
    END IF;
    RETURN NULL;
EXCEPTION WHEN UNDEFINED_TABLE OR INVALID_SCHEMA_NAME THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION scorer.changed_observations_of_sepsis() IS 'Adds what a statement has changed to scorer.captured_changes.';
ALTER FUNCTION scorer.changed_observations_of_sepsis() OWNER TO scorer_owner;
REVOKE ALL ON FUNCTION scorer.changed_observations_of_sepsis() FROM PUBLIC;

CREATE OR REPLACE TRIGGER changed_by_insert_of_sepsis AFTER INSERT ON public.patient_observations REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION scorer.changed_observations_of_sepsis();
CREATE OR REPLACE TRIGGER changed_by_update_of_sepsis AFTER UPDATE ON public.patient_observations
REFERENCING OLD TABLE AS before NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION scorer.changed_observations_of_sepsis();
CREATE OR REPLACE TRIGGER changed_by_delete_of_sepsis AFTER DELETE ON public.patient_observations REFERENCING OLD TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION scorer.changed_observations_of_sepsis();
CREATE OR REPLACE TRIGGER changed_by_truncate_of_sepsis AFTER TRUNCATE ON public.patient_observations
FOR EACH STATEMENT EXECUTE FUNCTION scorer.changed_observations_of_sepsis();
ALTER TABLE public.patient_observations
ENABLE ALWAYS TRIGGER changed_by_insert_of_sepsis,
ENABLE ALWAYS TRIGGER changed_by_update_of_sepsis,
ENABLE ALWAYS TRIGGER changed_by_delete_of_sepsis,
ENABLE ALWAYS TRIGGER changed_by_truncate_of_sepsis;

CREATE OR REPLACE TRIGGER changed_by_insert_of_sepsis AFTER INSERT ON public.visits REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION scorer.changed_observations_of_sepsis();
CREATE OR REPLACE TRIGGER changed_by_update_of_sepsis AFTER UPDATE ON public.visits
FOR EACH ROW WHEN (OLD.visit_id <> NEW.visit_id OR OLD.client IS DISTINCT FROM NEW.client)
EXECUTE FUNCTION scorer.changed_observations_of_sepsis();
CREATE OR REPLACE TRIGGER changed_by_delete_of_sepsis AFTER DELETE ON public.visits REFERENCING OLD TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION scorer.changed_observations_of_sepsis();
CREATE OR REPLACE TRIGGER changed_by_truncate_of_sepsis AFTER TRUNCATE ON public.visits
FOR EACH STATEMENT EXECUTE FUNCTION scorer.changed_observations_of_sepsis();
ALTER TABLE public.visits
ENABLE ALWAYS TRIGGER changed_by_insert_of_sepsis,
ENABLE ALWAYS TRIGGER changed_by_update_of_sepsis,
ENABLE ALWAYS TRIGGER changed_by_delete_of_sepsis,
ENABLE ALWAYS TRIGGER changed_by_truncate_of_sepsis;

-- All may be others than they were before now. It is also the oldest change that is kept: whoever read earlier lacks some.
INSERT INTO scorer.captured_changes (job) VALUES ('sepsis');
