-- Makes a temporary table, to see whether the database lets us.
-- It is gone at the end of the transaction.
CREATE TEMPORARY TABLE IF NOT EXISTS tried () ON COMMIT DROP
