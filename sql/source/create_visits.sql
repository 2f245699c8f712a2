-- Makes the table of visits as a hospital might have it, one row per visit.
-- It is for the demo, for tests and for trying things out.
CREATE TABLE public.visits (
    visit_id bigint PRIMARY KEY,
    client text,
    admitted_at timestamptz,
    discharged_at timestamptz,
    age_years double precision,
    sex text,
    unit text,
    facility text,
    hours_before_icu double precision,
    sepsis_score double precision,
    risk_level text,
    scored_at timestamptz
);

-- As in the job's indexes.sql.
CREATE INDEX visits_discharged_at_idx ON public.visits (discharged_at);
CREATE INDEX visits_without_score_idx ON public.visits (discharged_at) INCLUDE (visit_id, admitted_at) WHERE risk_level IS NULL;

COMMENT ON TABLE public.visits IS 'Hospital visits, one row per visit; the last three columns are written by the scorer alone';
COMMENT ON COLUMN public.visits.visit_id IS 'The visit';
COMMENT ON COLUMN public.visits.client IS 'The patient, under the hospital''s own id';
COMMENT ON COLUMN public.visits.admitted_at IS 'When the visit began';
COMMENT ON COLUMN public.visits.discharged_at IS 'When it ended; empty while it lasts';
COMMENT ON COLUMN public.visits.age_years IS 'Age at admission, in years';
COMMENT ON COLUMN public.visits.sex IS 'F or M';
COMMENT ON COLUMN public.visits.unit IS 'The unit that the patient lies in, such as MICU; empty where unknown';
COMMENT ON COLUMN public.visits.facility IS 'The hospital, where there are several; empty where unknown';
COMMENT ON COLUMN public.visits.hours_before_icu IS 'Hours in hospital before admission to intensive care';
COMMENT ON COLUMN public.visits.sepsis_score IS 'Current probability of sepsis, 0 to 1; empty where there is no score';
COMMENT ON COLUMN public.visits.risk_level IS 'Band of the score: HIGH, MEDIUM or LOW; empty where there is no score';
COMMENT ON COLUMN public.visits.scored_at IS 'When the score was written';
