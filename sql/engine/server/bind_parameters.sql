-- Binds values to parameters that the next statements of a session name; one row per parameter.
-- All are bound in one go.
-- Parameters: $1 a JSON object of the settings' names and values (numbered, as the driver of these reads has it).
SELECT set_config(b.key, b.value, false) AS value
FROM jsonb_each_text(CAST($1 AS jsonb)) AS b
