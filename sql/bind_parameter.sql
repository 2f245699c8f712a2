-- Binds a value to a parameter of the statements that a session is about to read with; one row, the value.
-- Parameters: $1 the setting's name, $2 its value (numbered, as the driver of these reads has them).
SELECT set_config($1, $2, false) AS value
