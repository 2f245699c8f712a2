-- Makes a temporary table that is gone at the end of the transaction, to see whether the database lets us.
CREATE TEMPORARY TABLE IF NOT EXISTS tried () ON COMMIT DROP
