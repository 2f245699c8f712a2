-- Makes the table of what became of the visits, one row per visit.
-- Training and evaluation read it; scoring never does.
CREATE TABLE public.outcomes (
    visit_id bigint PRIMARY KEY,
    sepsis smallint,
    onset_at timestamptz
);

COMMENT ON TABLE public.outcomes IS 'What became of the visits, one row per visit';
COMMENT ON COLUMN public.outcomes.visit_id IS 'The visit';
COMMENT ON COLUMN public.outcomes.sepsis IS '1 where sepsis began during the visit, 0 where it did not';
COMMENT ON COLUMN public.outcomes.onset_at IS 'When it began; empty where it did not';
