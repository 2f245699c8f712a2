-- Binds values to parameters of the statements that a session is about to read with, all in one go; one row per parameter.
-- Parameters: $1 a JSON object of the settings' names and values (numbered, as the driver of these reads has it).
SELECT set_config(b.key, b.value, false) AS value
FROM jsonb_each_text(CAST($1 AS jsonb)) AS b
