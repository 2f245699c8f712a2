"""Our own tables: one function for each statement in sql/engine/.

Imports database, jobs and the hall.
"""
