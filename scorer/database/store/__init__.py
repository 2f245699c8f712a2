"""Our own tables: one module for each folder of sql/engine/, one function for each statement.

Imports database, jobs and the hall.
"""
