"""Statements: our own here, each job's in a folder of its own."""
