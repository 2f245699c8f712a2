"""Statements: the program's own in engine/ and source/, each job's in a folder of its own."""
