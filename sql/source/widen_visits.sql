-- Gives a table of visits that was made before there were facilities its column; no row.
ALTER TABLE public.visits ADD COLUMN IF NOT EXISTS facility text
