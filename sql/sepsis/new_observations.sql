-- Counts new observations as they are inserted, so that a visit is scored soon after enough of them have come, and not only at the next
-- tick. Off until a database administrator runs this file, as a superuser or as the owner of the table who is a member of scorer_owner:
--     psql --single-transaction -v ON_ERROR_STOP=1 -f new_observations.sql
-- To take it away again: DROP FUNCTION scorer.new_observations_of_sepsis() CASCADE, which takes the trigger along.
-- It adds one row per INSERT or COPY statement and visit to scorer.arrivals, and changes none, so that sessions never wait for each other
-- there. An insertion never fails because of it: whatever goes wrong here is let be, and scheduled runs find the observations all the same.
CREATE OR REPLACE FUNCTION scorer.new_observations_of_sepsis() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '50ms'
AS $$
BEGIN
    INSERT INTO scorer.arrivals (job, entity_id, observations)
    SELECT
        'sepsis',
        CAST(n.visit_id AS text),
        count(*)
    FROM arrived AS n
    WHERE n.visit_id IS NOT NULL
    GROUP BY n.visit_id;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION scorer.new_observations_of_sepsis() IS 'Counts the observations that a statement has inserted, by visit, in scorer.arrivals.';
ALTER FUNCTION scorer.new_observations_of_sepsis() OWNER TO scorer_owner;
REVOKE ALL ON FUNCTION scorer.new_observations_of_sepsis() FROM PUBLIC;
CREATE OR REPLACE TRIGGER new_observations_of_sepsis AFTER INSERT ON public.patient_observations REFERENCING NEW TABLE AS arrived
FOR EACH STATEMENT EXECUTE FUNCTION scorer.new_observations_of_sepsis();
