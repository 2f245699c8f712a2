-- Makes the transaction take times without a zone as those of a zone; one row.
-- That matters where columns with a zone and columns without one meet, and for now().
-- Parameters: zone.
SELECT pg_catalog.set_config('TimeZone', %(zone)s, true)
