-- Have all that follows in the session be read as of one moment.
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY
