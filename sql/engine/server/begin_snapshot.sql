-- Has all reads of the transaction that has just begun see the database as of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY
