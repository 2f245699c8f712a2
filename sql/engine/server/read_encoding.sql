-- The encoding of the database's text; one row.
-- SQL_ASCII is none: what bytes there are, each program took as it liked.
SELECT current_setting('server_encoding') AS encoding
