-- Makes the tables that the second job reads: wards by name, and what was counted in them.
CREATE SCHEMA wards;
CREATE TABLE wards.wards (
    ward text PRIMARY KEY,
    opened_at timestamptz
);
CREATE TABLE wards.counts (
    count_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    ward text,
    counted_at timestamptz,
    what text,
    how_many numeric(8, 2)
);
