-- Sets a parameter until the transaction ends; one row: its value.
-- Parameters: parameter, setting.
SELECT set_config(:parameter, :setting, true) AS value
