"""Our own tables: one module for each folder of sql/engine/, one function for each statement.

Imports database and the rooms below it.
"""
